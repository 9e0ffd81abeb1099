"""Paths into a flow's ctx: `$`, `$.a.b`, `$.a["k.with.dot"]`, `$.items[0]`, `$.items[-1].name`.

Reading and writing never mutate: a write returns a new root that shares everything it did not touch.
"""

from __future__ import annotations

from msgspec import Struct

Segment = str | int


class Path(Struct, frozen=True):
    """A parsed path; `segments` are object keys (`str`) and array indices (`int`)."""

    segments: tuple[Segment, ...]
