"""What stands in an output's fields: Python lets anything, a journal cannot write it (R-value)."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from skep.core.outputs import Artifact, Blob, FileRef, Final, Inline, Partial, Progress
from skep.errors import BadValue
from skep.values import INT_MAX

_TEXT = (str,)
_OPTIONAL_TEXT = (str, type(None))
_CONTENT = (Inline, FileRef, Blob)

_FIELDS: dict[type, tuple[tuple[str, tuple[type, ...]], ...]] = {
    Partial: (("chunk", _TEXT),),
    Progress: (("stage", _TEXT), ("note", _OPTIONAL_TEXT)),
    Artifact: (("name", _TEXT), ("content", _CONTENT)),
    Final: (("ok", (bool,)), ("content", _CONTENT)),
    Inline: (("value", (Raw,)),),
    FileRef: (("path", _TEXT), ("mime", _OPTIONAL_TEXT), ("size_hint", (int, type(None)))),
    Blob: (),
}


def check_output(event: Any) -> None:
    """Whether every field of an output event, its content's too, is of its own type exactly.

    Raises:
        BadValue: one is not, or `event` is no output event.
    """
    if type(event) is Progress and type(event.stage) is str and type(event.note) in _OPTIONAL_TEXT:
        return  # the one of which there are many
    if type(event) in _CONTENT or type(event) not in _FIELDS:
        raise BadValue(f"{type(event).__name__} is not an output event", fix="see skep.core.outputs")
    _check_fields(event)


def _check_fields(struct: Any) -> None:
    for name, allowed in _FIELDS[type(struct)]:
        value = getattr(struct, name)
        if type(value) not in allowed:
            wanted = " or ".join(one.__name__ for one in allowed)
            where = f"{type(struct).__name__}.{name}"
            raise BadValue(f"{type(value).__name__} is not {wanted}", where=where)
        if allowed is _CONTENT:
            _check_fields(value)
        elif name == "size_hint" and value is not None and not 0 <= value <= INT_MAX:
            raise BadValue("is not a number of bytes", where="FileRef.size_hint")
