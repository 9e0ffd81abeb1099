"""The three stream protocols: bytes in chunks to output events, without I/O."""

from __future__ import annotations

from skep.limits import Limits
from skep.workers.process.streams.framed import FrameDecoder
from skep.workers.process.streams.mode import StreamMode
from skep.workers.process.streams.ndjson import NdjsonDecoder
from skep.workers.process.streams.records import BadRecords, StreamDecoder
from skep.workers.process.streams.sse import SseDecoder


def decoder_of(mode: StreamMode, limits: Limits) -> StreamDecoder:
    """A fresh decoder for one program's stdout."""
    if mode is StreamMode.NDJSON_LINES:
        return NdjsonDecoder(limits)
    if mode is StreamMode.SSE_EVENTS:
        return SseDecoder(limits)
    return FrameDecoder(limits)


__all__ = [
    "BadRecords",
    "FrameDecoder",
    "NdjsonDecoder",
    "SseDecoder",
    "StreamDecoder",
    "StreamMode",
    "decoder_of",
]
