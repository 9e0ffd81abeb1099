"""The table `stream`: partial output, bounded a log."""

from __future__ import annotations

import functools
import sqlite3
from collections import Counter
from collections.abc import Sequence

from skep.journal.base import StreamItem

_ITEMS_A_STATEMENT = 100
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
    """Writes items; prunes a log when it has grown by a tenth beyond `keep`."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._slack = max(1, keep // 10)
        self._since_prune: Counter[str] = Counter()

    def write(self, connection: sqlite3.Connection, items: Sequence[tuple[str, StreamItem]]) -> int:
        """Store items; returns how many old ones had to go."""
        for start in range(0, len(items), _ITEMS_A_STATEMENT):
            _insert(connection, items[start : start + _ITEMS_A_STATEMENT])
        self._since_prune.update(log for log, _ in items)
        return sum(self._prune(connection, log) for log in {log for log, _ in items})

    def forget(self, log: str) -> None:
        """Nothing more is written for `log` by this process."""
        self._since_prune.pop(log, None)

    def _prune(self, connection: sqlite3.Connection, log: str) -> int:
        if self._since_prune[log] < self._slack:
            return 0
        del self._since_prune[log]
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
