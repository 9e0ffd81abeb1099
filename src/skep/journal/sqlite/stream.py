"""The table `stream`: partial output, bounded a log; what came at once stands in one row."""

from __future__ import annotations

import functools
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from skep.journal.base import StreamBatch, StreamItem
from skep.journal.sqlite.stream_rows import StreamRow, packed

_ROWS_A_STATEMENT = 100
_COUNTED_LOGS = 1_000
"""Beyond it the log that has been quiet for longest is counted no more: it is looked at when it comes again."""
_INSERT = "INSERT INTO stream (log, task_id, attempt, number, count, version, at, data) VALUES "
_COUNT = "SELECT total(count) FROM stream WHERE log = ?"
_OLDEST = "SELECT id, count FROM stream WHERE log = ? ORDER BY id"
_PRUNE = "DELETE FROM stream WHERE log = ? AND id <= ?"
_READ = """
SELECT task_id, attempt, number, count, version, at, data FROM stream
WHERE log = ? AND number + count - 1 > ? ORDER BY id LIMIT ?
"""
_READ_TASK = """
SELECT task_id, attempt, number, count, version, at, data FROM stream
WHERE log = ? AND number + count - 1 > ? AND task_id = ? ORDER BY id LIMIT ?
"""


class StreamTable:
    """Writes items; prunes a log when it comes for the first time, and when it has grown by a tenth of `keep`.

    Whole rows are pruned, so that a row's items less one, at most a tenth of `keep`, may be left beyond it.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._tenth = max(1, keep // 10)
        self._since_prune: dict[str, int] = {}

    def write(self, connection: sqlite3.Connection, batches: Iterable[tuple[str, StreamBatch]]) -> int:
        """Store items; returns how many old ones had to go."""
        rows = packed(batches, self._tenth)
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            _insert(connection, rows[start : start + _ROWS_A_STATEMENT])
        added = Counter[str]()
        for row in rows:
            added[row.log] += row.count
        return sum(self._prune(connection, log) for log in self._due(added))

    def _due(self, added: Counter[str]) -> list[str]:
        """Which logs to prune, with these many items more; the others are counted on."""
        counts, due = self._since_prune, list[str]()
        for log, count in added.items():
            since = counts.pop(log, self._tenth) + count
            if since >= self._tenth:
                due.append(log)
                since = 0
            counts[log] = since  # at the end: the first is the one that has been quiet for longest
        while len(counts) > _COUNTED_LOGS:
            del counts[next(iter(counts))]
        return due

    def _prune(self, connection: sqlite3.Connection, log: str) -> int:
        (total,) = connection.execute(_COUNT, (log,)).fetchone()
        pruned, last = 0, None
        with closing(connection.execute(_OLDEST, (log,))) as oldest:
            for row_id, count in oldest:
                if total - pruned - count < self._keep:
                    break
                pruned, last = pruned + count, row_id
        if last is not None:
            connection.execute(_PRUNE, (log, last))
        return pruned


def read(
    connection: sqlite3.Connection, log: str, task_id: str | None, after: int, limit: int
) -> list[StreamItem]:
    """Items in the order in which they were queued."""
    query, which = (_READ, (log, after)) if task_id is None else (_READ_TASK, (log, after, task_id))
    found: list[StreamItem] = []
    with closing(connection.execute(query, (*which, limit))) as rows:
        for batch in _unpacked(rows):
            found += [item for item in batch.items() if item.number > after]
            if len(found) >= limit:
                break
    return found[:limit]


def _unpacked(rows: Iterable[tuple[str, int, int, int, int, int, bytes]]) -> Iterator[StreamBatch]:
    for task_id, attempt, number, count, version, at, data in rows:
        yield StreamBatch(task_id, attempt, number, version, at, data.split(b"\n", count - 1))


@functools.cache
def _insert_statement(rows: int) -> str:
    return _INSERT + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * rows)


def _insert(connection: sqlite3.Connection, rows: Sequence[StreamRow]) -> None:
    values: list[object] = []
    for row in rows:
        values += (row.log, row.task_id, row.attempt, row.number, row.count, row.version, row.at, row.data)
    connection.execute(_insert_statement(len(rows)), values)
