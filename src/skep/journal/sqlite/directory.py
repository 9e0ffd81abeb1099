"""The table `directory`: keys by kind, kept in the transaction of the rows that brought them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from skep.core.directory import Kind, Removed
from skep.journal.base import Entry
from skep.journal.directory import Directory, whole_positions
from skep.journal.sqlite.connection import searchable
from skep.journal.sqlite.group import Row

_REMOVE_KINDS = """
DELETE FROM directory WHERE (kind, key) IN (
    SELECT entry.kind, entry.key FROM json_each(?) AS gone CROSS JOIN directory AS entry
    ON entry.log = json_extract(gone.value, '$[0]') AND entry.kind = json_extract(gone.value, '$[1]')
)
"""
_REMOVE_SUBJECTS = """
DELETE FROM directory WHERE (kind, key) IN (
    SELECT entry.kind, entry.key FROM json_each(?) AS gone CROSS JOIN directory AS entry
    ON entry.log = json_extract(gone.value, '$[0]') AND entry.kind = json_extract(gone.value, '$[1]')
    AND entry.subject = json_extract(gone.value, '$[2]')
)
"""
_ADD = """
INSERT OR REPLACE INTO directory (kind, key, log, version, position, subject)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(?)
"""
_FIND = "SELECT kind, key, log, version, position FROM directory WHERE kind = ? AND key = ?"
_LIST = """
SELECT kind, key, log, version, position FROM directory
WHERE kind = ? AND position > ? ORDER BY position, version
"""
_LIST_LOG = """
SELECT kind, key, log, version, position FROM directory
WHERE log = ? AND kind = ? AND position > ? ORDER BY position, version
"""


def record(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Keep what the events of `rows`, stored in this transaction, come to: at most three statements."""
    net, gone = Directory(), dict[tuple[str, Removed], None]()
    for row in rows:
        if row.touching:
            version = row.version
            for append in row.appends:
                gone.update(dict.fromkeys(net.record(row.log, version, row.position, append.events)))
                version += len(append.events)
    # What is still in `net` came after everything that took its place away.
    for statement, values in (
        (_REMOVE_KINDS, [(log, removal.kind) for log, removal in gone if removal.subject is None]),
        (
            _REMOVE_SUBJECTS,
            [(log, removal.kind, removal.subject) for log, removal in gone if removal.subject is not None],
        ),
        (_ADD, [(*msgspec.structs.astuple(entry), subject) for entry, subject in net.subjects()]),
    ):
        if values:
            connection.execute(statement, (msgspec.json.encode(values).decode(),))


def find(connection: sqlite3.Connection, kind: Kind, key: str) -> Entry | None:
    """The entry with exactly this key."""
    row = connection.execute(_FIND, (kind, searchable(key))).fetchone()
    return None if row is None else Entry(*row)


def list_entries(
    connection: sqlite3.Connection, kind: Kind, log: str | None, after: int, limit: int
) -> list[Entry]:
    """Entries with position > `after`, by position and version; a position is listed whole."""
    if log is None:
        rows = connection.execute(_LIST, (kind, after))
    else:
        rows = connection.execute(_LIST_LOG, (searchable(log), kind, after))
    return whole_positions((Entry(*row) for row in rows), limit)
