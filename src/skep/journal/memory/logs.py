"""Logs in memory, readable one by one and all together in order of position."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence

from msgspec import Struct

from skep.core.events import AnyEvent
from skep.journal.base import Recorded

_COMPACT_FROM = 1_024


class Row(Struct, gc=False):
    """What one append brought; emptied when its log is dropped."""

    position: int
    log: str
    version: int
    events: Sequence[AnyEvent]

    def recorded(self, after: int = 0) -> Iterator[Recorded]:
        """Its events with a version > `after`."""
        for version, event in enumerate(self.events, self.version):
            if version > after:
                yield Recorded(self.position, self.log, version, event)


class MemoryLogs:
    """All logs; of those that are no run's, which nobody drops, the last `keep` events."""

    def __init__(self, keep: int) -> None:
        self.position = 0
        self._keep = keep
        self._endless: deque[Row] = deque()
        self._endless_events = 0
        self._trimmed: dict[str, int] = {}
        """The next version of logs of which nothing is left."""
        self._logs: dict[str, list[Row]] = {}
        self._order: list[Row] = []
        self._dropped = 0

    def next_version(self, log: str) -> int:
        """The version that the next event of `log` must have."""
        rows = self._logs.get(log)
        return rows[-1].version + len(rows[-1].events) if rows else self._trimmed.get(log, 1)

    def append(self, log: str, version: int, events: Sequence[AnyEvent]) -> Row:
        self.position += 1
        row = Row(self.position, log, version, events)
        self._logs.setdefault(log, []).append(row)
        self._order.append(row)
        if not log.startswith("run:"):
            self._endless.append(row)
            self._endless_events += len(events)
        return row

    def trim(self) -> list[str]:
        """Forget the oldest rows beyond what is kept; the logs that they were of."""
        trimmed: list[str] = []
        while self._endless_events > self._keep:
            row = self._endless.popleft()
            self._endless_events -= len(row.events)
            rows = self._logs[row.log]
            if len(rows) == 1:
                self._trimmed[row.log] = self.next_version(row.log)
                del self._logs[row.log]
            else:
                del rows[0]
            trimmed.append(row.log)
            self._empty(row)
        if trimmed:
            self._compact()
        return trimmed

    def first_version(self, log: str) -> int:
        """The oldest version of `log` that is kept, or the next one if none is."""
        rows = self._logs.get(log)
        return rows[0].version if rows else self.next_version(log)

    def is_empty(self, log: str) -> bool:
        """Whether nothing of `log` is left."""
        return log not in self._logs

    def read(self, log: str, after: int, limit: int) -> list[Recorded]:
        rows = self._logs.get(log, [])
        start = bisect_right(rows, after + 1, key=_version)
        return _gather(rows, max(0, start - 1), limit, after)

    def read_all(self, after: int, limit: int) -> list[Recorded]:
        return _gather(self._order, bisect_right(self._order, after, key=_position), limit, 0)

    def drop(self, log: str) -> None:
        """Forget a log; its positions are not used again."""
        for row in self._logs.pop(log, ()):
            self._empty(row)
        self._compact()

    def _empty(self, row: Row) -> None:
        row.events = ()
        self._dropped += 1

    def _compact(self) -> None:
        if self._dropped > _COMPACT_FROM and self._dropped * 2 > len(self._order):
            self._order = [row for row in self._order if row.events]
            self._dropped = 0


def _gather(rows: Sequence[Row], start: int, limit: int, after: int) -> list[Recorded]:
    found: list[Recorded] = []
    for index in range(start, len(rows)):
        if len(found) >= limit:
            break
        found.extend(rows[index].recorded(after))
    return found


def _version(row: Row) -> int:
    return row.version


def _position(row: Row) -> int:
    return row.position
