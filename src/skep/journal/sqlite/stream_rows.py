"""Items of the Stream lane as rows: many in one, their data divided by newlines."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from msgspec import Struct

from skep.journal.base import StreamBatch

ROW_BYTES = 64 * 1024
"""Data of the items in one row; a longer item stands in one alone."""


class StreamRow(Struct, frozen=True, gc=False):
    """Items numbered from `number` on."""

    log: str
    task_id: str
    attempt: int
    number: int
    count: int
    version: int
    at: int
    data: bytes


class _Open(Struct):
    """A row that is being filled: `head` began it."""

    log: str
    head: StreamBatch
    data: list[bytes]
    size: int = 0

    def goes_on_with(self, log: str, batch: StreamBatch, start: int) -> bool:
        head = self.head
        return (
            batch.first + start == head.first + len(self.data)
            and batch.at == head.at
            and batch.version == head.version
            and batch.task_id == head.task_id
            and batch.attempt == head.attempt
            and log == self.log
        )

    def fill(self, data: Sequence[bytes], start: int, most: int) -> int:
        """Take in what fits of the items from `start` on; how many it took."""
        fitting = data[start : start + most - len(self.data)]
        size = self.size + sum(map(len, fitting))
        if size <= ROW_BYTES:
            self.data += fitting
            self.size = size
            return len(fitting)
        ends = list(accumulate(map(len, fitting), initial=self.size))
        count = max(bisect_right(ends, ROW_BYTES) - 1, 0 if self.data else 1)
        self.data += fitting[:count]
        self.size = ends[count]
        return count

    def rows(self) -> Iterator[StreamRow]:
        joined = b"\n".join(self.data)
        if joined.count(b"\n") < len(self.data):
            yield self._row(self.head.first, len(self.data), joined)
        else:
            # A newline in an item's own data: it could not be told from one between two.
            for number, data in enumerate(self.data, self.head.first):
                yield self._row(number, 1, data)

    def _row(self, number: int, count: int, data: bytes) -> StreamRow:
        head = self.head
        return StreamRow(self.log, head.task_id, head.attempt, number, count, head.version, head.at, data)


def packed(batches: Iterable[tuple[str, StreamBatch]], most: int) -> list[StreamRow]:
    """The rows for these batches, in order: at most `most` items in each, what goes on after a batch with it."""
    rows: list[_Open] = []
    for log, batch in batches:
        start = 0
        while start < len(batch.data):
            taken = 0
            if rows and rows[-1].goes_on_with(log, batch, start):
                taken = rows[-1].fill(batch.data, start, most)
            if not taken:
                rows.append(_Open(log, batch.after(start), []))
                taken = rows[-1].fill(batch.data, start, most)
            start += taken
    return [row for rest in rows for row in rest.rows()]
