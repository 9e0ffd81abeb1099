"""The table `log_rows`: events by log and version, and by position."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator, Sequence

from skep.errors import StoreCorrupt
from skep.journal.base import Recorded
from skep.journal.codec import decode_events
from skep.journal.sqlite.group import Row

ROWS_A_STATEMENT = 128
"""A statement stays below the 999 variables that every SQLite allows; the cache holds few texts."""

_INSERT = "INSERT INTO log_rows (log, version, count, generation, at, events) VALUES "

_READ = """
SELECT position, log, version, count, events FROM log_rows
WHERE log = ?1
  AND version >= coalesce((SELECT max(version) FROM log_rows WHERE log = ?1 AND version <= ?2 + 1), 0)
ORDER BY version
"""
_READ_LAST = (
    "SELECT position, log, version, count, events FROM log_rows WHERE log = ? ORDER BY version DESC LIMIT 1"
)
_READ_ALL = "SELECT position, log, version, count, events FROM log_rows WHERE position > ? ORDER BY position"

_StoredRow = tuple[int, str, int, int, bytes]


@functools.cache
def _insert_statement(rows: int) -> str:
    return _INSERT + ", ".join(["(?, ?, ?, ?, ?, ?)"] * rows)


def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Insert up to `ROWS_A_STATEMENT` rows in one statement, and note their positions.

    Raises:
        sqlite3.IntegrityError: a log of them is fenced; nothing was inserted.
    """
    values: list[object] = []
    for row in rows:
        values += (row.log, row.version, row.count, row.generation, row.at, row.data())
    last = connection.execute(_insert_statement(len(rows)), values).lastrowid or 0
    for position, row in enumerate(rows, last - len(rows) + 1):
        row.position = position


def read(connection: sqlite3.Connection, log: str, after: int, limit: int) -> list[Recorded]:
    """Events of one log with version > `after`.

    Raises:
        StoreCorrupt: a row that cannot be read, or one that is missing in between.
    """
    found: list[Recorded] = []
    expected = None
    for row in connection.execute(_READ, (log, after)):
        version, count = row[2], row[3]
        if version != expected and (expected is not None or version > after + 1):
            raise StoreCorrupt(f"events from version {expected or after + 1} on are missing", where=log)
        expected = version + count
        if expected <= after + 1:
            continue
        found.extend(recorded for recorded in _recorded(row) if recorded.version > after)
        if len(found) >= limit:
            break
    return found


def read_last(connection: sqlite3.Connection, log: str) -> Recorded | None:
    """The newest event of one log."""
    row = connection.execute(_READ_LAST, (log,)).fetchone()
    return None if row is None else list(_recorded(row))[-1]


def read_all(connection: sqlite3.Connection, after: int, limit: int) -> list[Recorded]:
    """Whole rows of all logs with position > `after`."""
    found: list[Recorded] = []
    for row in connection.execute(_READ_ALL, (after,)):
        found.extend(_recorded(row))
        if len(found) >= limit:
            break
    return found


def _recorded(row: _StoredRow) -> Iterator[Recorded]:
    position, log, first, count, data = row
    for version, event in enumerate(decode_events(log, first, count, data), first):
        yield Recorded(position, log, version, event)
