"""The base of every event: one fact, with its time."""

from __future__ import annotations

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True, gc=False):
    """One fact. `at` is milliseconds since the epoch."""

    at: int
