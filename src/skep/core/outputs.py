"""What workers emit: the published `OutputEvent` and `ContentRef` shapes, values kept as encoded bytes."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from skep import values
from skep.limits import DEFAULT_LIMITS, Limits

MAX_PARTIAL = 65_536
"""Characters of one `partial`."""


class Inline(Struct, frozen=True, tag_field="kind", tag="inline", gc=False):
    """A value in place; `value` is checked JSON (R-value)."""

    value: Raw


class FileRef(Struct, frozen=True, tag_field="kind", tag="file_ref", omit_defaults=True, gc=False):
    """A file that the worker wrote; taken in as an artifact when it is submitted (`sha256`)."""

    path: str
    mime: str | None = None
    size_hint: int | None = None
    sha256: str | None = None


class Blob(Struct, frozen=True, tag_field="kind", tag="blob", gc=False):
    """A value too large to stand in the journal: an artifact that holds its JSON. Never seen by readers."""

    sha256: str
    size: int


ContentRef = Inline | FileRef | Blob


def file_fields(content: FileRef) -> dict[str, Any]:
    """The value that a `file_ref` stands for: its published fields."""
    return {"file_ref": content.path, "mime": content.mime, "size_hint": content.size_hint}


class Progress(Struct, frozen=True, tag_field="type", tag="progress", omit_defaults=True, gc=False):
    """Where the worker is: a short stage and an optional note."""

    stage: str
    note: str | None = None


class Partial(Struct, frozen=True, tag_field="type", tag="partial", gc=False):
    """A piece of output as it comes; goes to the Stream, not to the journal."""

    chunk: str


class Artifact(Struct, frozen=True, tag_field="type", tag="artifact", gc=False):
    """A named part of the result."""

    name: str
    content: ContentRef


class Final(Struct, frozen=True, tag_field="type", tag="final", gc=False):
    """The result. The last one of an attempt decides (R-once); `ok=False` blocks the task."""

    content: ContentRef
    ok: bool = True


OutputEvent = Progress | Partial | Artifact | Final


def inline(value: Any, limits: Limits = DEFAULT_LIMITS, *, where: str = "value") -> Inline:
    """Check and encode `value` into an `Inline`.

    Raises:
        BadValue, LimitExceeded: see `skep.values.encode`.
    """
    return Inline(Raw(values.encode(value, limits, where=where)))


def final(value: Any, *, ok: bool = True) -> Final:
    """A `Final` with an inline value.

    >>> import msgspec
    >>> msgspec.json.encode(final({"verdict": "pass"}))
    b'{"type":"final","content":{"kind":"inline","value":{"verdict":"pass"}},"ok":true}'
    """
    return Final(inline(value, where="result"), ok)
