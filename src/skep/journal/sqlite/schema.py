"""The schema: numbered migrations, applied under the write lock, each at most once."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from skep.errors import ConfigError, SchemaTooNew, StoreCorrupt
from skep.journal.sqlite.connection import BUSY_SECONDS, primary_code, transaction

APPLICATION_ID = 0x736B6570
_FOLDER = Path(__file__).parent.parent / "migrations" / "sqlite"
_OLDEST_SQLITE = (3, 34)


class Migration(Struct, frozen=True):
    """One numbered file `NNNN_name.sql`."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(folder: Path = _FOLDER) -> list[Migration]:
    """The packaged migrations, in order."""
    return [
        Migration(int(file.name[:4]), file.stem, file.read_text(encoding="utf-8"))
        for file in sorted(folder.glob("*.sql"))
    ]


def migrate(connection: sqlite3.Connection, path: Path, steps: list[Migration]) -> None:
    """Bring a store up to the last of `steps`; an empty file becomes one.

    Raises:
        SchemaTooNew: a newer skep wrote it; nothing was changed.
        StoreCorrupt: an SQLite file that is not a store, or a store whose migrations differ from ours.
        ConfigError: SQLite too old, or no write-ahead log on this file system.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise ConfigError(
            f"SQLite {sqlite3.sqlite_version} is too old", fix="use a Python with SQLite 3.34 or newer"
        )
    connection.execute("BEGIN")  # one snapshot: another process may be making the store at this moment
    try:
        version = _check(connection, path, steps)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    _use_wal(connection, path)
    if version < len(steps):
        with transaction(connection):
            # Another process may have been faster.
            version = _check(connection, path, steps)
            for step in steps[version:]:
                _apply(connection, step)


def _check(connection: sqlite3.Connection, path: Path, steps: list[Migration]) -> int:
    """The store's schema version, if we may use it."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == 0 and version == 0 and tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise StoreCorrupt(
            "an SQLite file, but not a store of skep", where=str(path), fix="choose another file"
        )
    if version > len(steps):
        raise SchemaTooNew(
            f"the store has schema {version}, this skep knows {len(steps)}",
            where=str(path),
            fix="use the newer skep that wrote it, or another store",
        )
    applied = dict(connection.execute("SELECT number, sha256 FROM migrations ORDER BY number"))
    for step in steps[:version]:
        if applied.get(step.number) != step.sha256:
            raise StoreCorrupt(
                f"the store was made by another form of migration {step.name}",
                where=str(path),
                fix="restore it from a backup",
            )
    return version


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to the write-ahead log. SQLite does not wait here while another process does the same."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise ConfigError(
            "this file system cannot hold a write-ahead log",
            where=str(path),
            fix="put the store on a local disk",
        )


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    for statement in _statements(step.sql):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO migrations (number, name, sha256, applied_at) VALUES (?, ?, ?, ?)",
        (step.number, step.name, step.sha256, time.time_ns() // 1_000_000),
    )
    connection.execute(f"PRAGMA user_version = {step.number}")


def _statements(script: str) -> Iterator[str]:
    """Single statements; `executescript` would end our transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
