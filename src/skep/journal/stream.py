"""Batches of the Stream lane in line: the oldest items go first, each of them counted."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Sequence

from skep.journal.base import StreamBatch
from skep.limits import Limits


class BatchLine:
    """Batches in the order in which they came; `count` and `bytes` are of all their items together."""

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self.batches: deque[tuple[str, StreamBatch]] = deque()
        """Each with its log."""

    def add(self, log: str, batch: StreamBatch) -> None:
        self.batches.append((log, batch))
        self.count += len(batch.data)
        self.bytes += sum(map(len, batch.data))

    def shed(self, max_count: int, max_bytes: int = sys.maxsize, beside: int = 0) -> int:
        """Let the oldest items go until no more are left than this, each with `beside` bytes; how many went."""
        before = self.count
        while self.batches:
            items = self.count - max_count
            size = self.bytes + self.count * beside - max_bytes
            if items <= 0 and size <= 0:
                break
            log, batch = self.batches.popleft()
            gone = batch.data[: max(items, _first(batch.data, size, beside))]
            self.count -= len(gone)
            self.bytes -= sum(map(len, gone))
            if len(gone) < len(batch.data):
                self.batches.appendleft((log, batch.after(len(gone))))
        return before - self.count


def _first(data: Sequence[bytes], size: int, beside: int) -> int:
    """How many of the first it takes to have `size` bytes."""
    count = 0
    for item in data:
        if size <= 0:
            break
        size -= len(item) + beside
        count += 1
    return count


class StreamQueue:
    """The queue before the Stream lane. Filled on the loop, emptied by the writer; dropped items are counted."""

    def __init__(self, limits: Limits) -> None:
        self.dropped = 0
        self._limits = limits
        self._line = BatchLine()
        self._lock = threading.Lock()

    def put(self, log: str, batch: StreamBatch) -> bool:
        """Add items; whether the queue was empty, so that the writer must be woken."""
        with self._lock:
            was_empty = not self._line.batches
            self._line.add(log, batch)
            self.dropped += self._line.shed(self._limits.stream_backlog, self._limits.stream_backlog_bytes)
            return was_empty

    def take(self) -> list[tuple[str, StreamBatch]]:
        """Everything that waits."""
        if not self._line.batches:
            return []
        with self._lock:
            taken, self._line = self._line, BatchLine()
        return list(taken.batches)
