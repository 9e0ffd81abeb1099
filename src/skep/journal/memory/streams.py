"""The Stream lane in memory: bounded a log by count, and all together by bytes."""

from __future__ import annotations

from skep.journal.base import StreamBatch, StreamItem
from skep.journal.stream import BatchLine
from skep.limits import Limits

ITEM_BYTES = 256
"""What an item takes beside its data, if it came alone."""


class MemoryStreams:
    """Items by log; of too many bytes the log that has been quiet for longest loses its oldest first."""

    def __init__(self, limits: Limits) -> None:
        self.pruned = 0
        self._limits = limits
        self._logs: dict[str, BatchLine] = {}
        self._bytes = 0

    def put(self, log: str, batch: StreamBatch) -> None:
        """Add items; `log` counts as the least quiet from now on."""
        line = self._logs.pop(log, None) or BatchLine()
        self._logs[log] = line
        self._bytes -= _size(line)
        line.add(log, batch)
        self.pruned += line.shed(self._limits.stream_items)
        self._bytes += _size(line)
        while self._bytes > self._limits.memory_stream_bytes:
            self._shorten(*next(iter(self._logs.items())))

    def read(self, log: str, task_id: str | None, after: int, limit: int) -> list[StreamItem]:
        line = self._logs.get(log)
        return [
            item
            for _, batch in (line.batches if line is not None else ())
            if task_id in (None, batch.task_id)
            for item in batch.items()
            if item.number > after
        ][:limit]

    def drop(self, log: str) -> None:
        """Forget a log."""
        line = self._logs.pop(log, None)
        if line is not None:
            self._bytes -= _size(line)

    def _shorten(self, log: str, line: BatchLine) -> None:
        """Make room at the cost of a log, as far as it goes."""
        size = _size(line)
        room = self._limits.memory_stream_bytes - (self._bytes - size)
        self.pruned += line.shed(self._limits.stream_items, room, ITEM_BYTES)
        self._bytes -= size - _size(line)
        if not line.batches:
            del self._logs[log]


def _size(line: BatchLine) -> int:
    return line.bytes + ITEM_BYTES * line.count
