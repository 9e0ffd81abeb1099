"""The Stream lane in memory: bounded a log by count, and all together by bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from skep.journal.base import StreamItem
from skep.limits import Limits

ITEM_BYTES = 256
"""What an item takes beside its data."""


class MemoryStreams:
    """Items by log; of too many bytes the log that has been quiet for longest loses its oldest first."""

    def __init__(self, limits: Limits) -> None:
        self.pruned = 0
        self._limits = limits
        self._logs: dict[str, deque[StreamItem]] = {}
        self._bytes = 0

    def put(self, log: str, items: Sequence[StreamItem]) -> None:
        """Add items; `log` counts as the least quiet from now on."""
        kept = self._logs.pop(log, None) or deque()
        self._logs[log] = kept
        kept.extend(items)
        self._bytes += _size(items)
        self._prune(kept, len(kept) - self._limits.stream_items)
        while self._bytes > self._limits.memory_stream_bytes:
            name, quiet = next(iter(self._logs.items()))
            if quiet:
                self._prune(quiet, 1)
            if not quiet:
                del self._logs[name]

    def read(self, log: str, task_id: str | None, after: int, limit: int) -> list[StreamItem]:
        items = self._logs.get(log, ())
        return [item for item in items if item.number > after and task_id in (None, item.task_id)][:limit]

    def drop(self, log: str) -> None:
        """Forget a log."""
        self._bytes -= _size(self._logs.pop(log, ()))

    def _prune(self, kept: deque[StreamItem], count: int) -> None:
        gone = [kept.popleft() for _ in range(count)]
        self._bytes -= _size(gone)
        self.pruned += len(gone)


def _size(items: Collection[StreamItem]) -> int:
    return sum([len(item.data) for item in items]) + ITEM_BYTES * len(items)
