"""The queue before the Stream lane: bounded, and the oldest go first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import repeat

from skep.journal.base import StreamItem
from skep.limits import Limits


class StreamQueue:
    """Filled on the loop, emptied by the writer; dropped items are counted."""

    def __init__(self, limits: Limits) -> None:
        self.dropped = 0
        self._limits = limits
        self._items: deque[tuple[str, StreamItem]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def put(self, log: str, items: Sequence[StreamItem]) -> bool:
        """Add items; whether the queue was empty, so that the writer must be woken."""
        with self._lock:
            was_empty = not self._items
            self._items.extend(zip(repeat(log), items, strict=False))
            self._bytes += sum(len(item.data) for item in items)
            while (
                len(self._items) > self._limits.stream_backlog
                or self._bytes > self._limits.stream_backlog_bytes
            ):
                _, oldest = self._items.popleft()
                self._bytes -= len(oldest.data)
                self.dropped += 1
            return was_empty

    def take(self) -> list[tuple[str, StreamItem]]:
        """Everything that waits."""
        if not self._items:
            return []
        with self._lock:
            taken = list(self._items)
            self._items.clear()
            self._bytes = 0
        return taken
