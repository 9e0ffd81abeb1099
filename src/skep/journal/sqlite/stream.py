"""The table `stream`: partial output, bounded a log."""

from __future__ import annotations

import functools
import sqlite3
from collections import Counter
from collections.abc import Sequence

from skep.journal.base import StreamItem

_ITEMS_A_STATEMENT = 100
_COUNTED_LOGS = 1_000
"""Beyond it the log that has been quiet for longest is pruned at once and counted no more."""
_INSERT = "INSERT INTO stream (log, task_id, attempt, number, version, at, data) VALUES "
_PRUNE = """
DELETE FROM stream WHERE log = ?1 AND id <= (
    SELECT id FROM stream WHERE log = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2
)
"""
_READ = """
SELECT task_id, attempt, number, version, at, data FROM stream
WHERE log = ? AND number > ? ORDER BY id LIMIT ?
"""
_READ_TASK = """
SELECT task_id, attempt, number, version, at, data FROM stream
WHERE log = ? AND number > ? AND task_id = ? ORDER BY id LIMIT ?
"""


class StreamTable:
    """Writes items; prunes a log when it has grown by a tenth beyond `keep`, or has been quiet for long."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._slack = max(1, keep // 10)
        self._since_prune: dict[str, int] = {}

    def write(self, connection: sqlite3.Connection, items: Sequence[tuple[str, StreamItem]]) -> int:
        """Store items; returns how many old ones had to go."""
        for start in range(0, len(items), _ITEMS_A_STATEMENT):
            _insert(connection, items[start : start + _ITEMS_A_STATEMENT])
        return sum(self._prune(connection, log) for log in self._due(Counter(log for log, _ in items)))

    def _due(self, added: Counter[str]) -> list[str]:
        """Which logs to prune, with these many items more; the others are counted on."""
        counts, due = self._since_prune, list[str]()
        for log, count in added.items():
            since = counts.pop(log, 0) + count
            if since < self._slack:
                counts[log] = since  # at the end: the first is the one that has been quiet for longest
            else:
                due.append(log)
        while len(counts) > _COUNTED_LOGS:
            due.append(next(iter(counts)))
            del counts[due[-1]]
        return due

    def _prune(self, connection: sqlite3.Connection, log: str) -> int:
        return connection.execute(_PRUNE, (log, self._keep)).rowcount


def read(
    connection: sqlite3.Connection, log: str, task_id: str | None, after: int, limit: int
) -> list[StreamItem]:
    """Items in the order in which they were queued."""
    if task_id is None:
        rows = connection.execute(_READ, (log, after, limit))
    else:
        rows = connection.execute(_READ_TASK, (log, after, task_id, limit))
    return [StreamItem(*row) for row in rows]


@functools.cache
def _insert_statement(items: int) -> str:
    return _INSERT + ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * items)


def _insert(connection: sqlite3.Connection, items: Sequence[tuple[str, StreamItem]]) -> None:
    values: list[object] = []
    for log, item in items:
        values += (log, item.task_id, item.attempt, item.number, item.version, item.at, item.data)
    connection.execute(_insert_statement(len(items)), values)
