"""How a program says its output events on stdout."""

from __future__ import annotations

from enum import Enum


class StreamMode(Enum):
    """The values are the wire's words."""

    NDJSON_LINES = "ndjson_lines"
    """One event a line."""
    SSE_EVENTS = "sse_events"
    """One event in the `data` of each server-sent event."""
    LENGTH_PREFIXED = "length_prefixed"
    """A big-endian 32-bit length, then an event of that many bytes."""
