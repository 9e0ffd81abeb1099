"""What a script hands to `emit`, as an output event."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from skep.core.outputs import Artifact, OutputEvent, Partial, Progress, inline
from skep.errors import BadValue
from skep.limits import Limits


class _Said(Struct, tag_field="type", tag=str.lower, forbid_unknown_fields=True, frozen=True):
    pass


class _Progress(_Said, tag="progress", frozen=True):
    stage: str
    note: str | None = None


class _Partial(_Said, tag="partial", frozen=True):
    chunk: str


class _Inline(Struct, tag_field="kind", tag="inline", forbid_unknown_fields=True, frozen=True):
    value: Any = None


class _Artifact(_Said, tag="artifact", frozen=True):
    name: str
    content: _Inline | UnsetType = UNSET
    value: Any = None
    """Shorter than `content`."""


def event_of(said: Any, limits: Limits) -> OutputEvent:
    """The event that a script's table stands for: the published forms but `final`, with values in place only.

    Raises:
        BadValue: it stands for none.
        LimitExceeded: an artifact that is too deep or too big.

    >>> event_of({"type": "progress", "stage": "reading"}, Limits())
    Progress(stage='reading', note=None)
    """
    try:
        read: _Progress | _Partial | _Artifact = msgspec.convert(said, _Progress | _Partial | _Artifact)
    except msgspec.ValidationError as error:
        fix = "emit{type='progress', stage=...}, {type='partial', chunk=...} or {type='artifact', name=..., value=...}"
        raise BadValue(f"emit: {error}", fix=fix) from error
    if isinstance(read, _Progress):
        return Progress(read.stage, read.note)
    if isinstance(read, _Partial):
        return Partial(read.chunk)
    value = read.value if isinstance(read.content, UnsetType) else read.content.value
    return Artifact(read.name, inline(value, limits, where=f"artifact {read.name[:60]}"))
