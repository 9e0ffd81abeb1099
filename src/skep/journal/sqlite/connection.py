"""Connections to a store, and what SQLite's errors mean to people."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from skep.errors import ConfigError, JournalError, JournalFailed, SkepError, StoreCorrupt
from skep.journal.sqlite.url import Synchronous

BUSY_SECONDS = 60.0
"""How long a commit waits for other processes before it fails."""

_STATEMENTS = 256
_SYNCHRONOUS = {"full": "FULL", "normal": "NORMAL", "memory": "OFF"}


def connect_writer(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """The connection that writes; a statement outside `transaction` is its own transaction."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        cached_statements=_STATEMENTS,
        check_same_thread=False,
    )
    connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[synchronous]}")
    # A no-op but on macOS, where a plain fsync leaves the data in the drive's cache.
    connection.execute(f"PRAGMA fullfsync = {int(synchronous == 'full')}")
    # The fencing trigger makes SQLite gather a statement's rows first: in memory, not in a file.
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads; usable from any one thread at a time."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """All or nothing; takes the write lock at once, so that it waits for others instead of failing later."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def searchable(text: str) -> str | bytes:
    """A search for what is not Unicode finds nothing: no text equals bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for an error of the Python module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def unusable(error: sqlite3.Error, path: Path) -> SkepError:
    """Why a store cannot be opened or read."""
    where = str(path)
    code = primary_code(error)
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreCorrupt(
            str(error), where=where, fix="restore the store from a backup, or choose another file"
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return ConfigError(str(error), where=where, fix="the file and its directory must be writable by you")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _busy(where)
    return JournalError(str(error), where=where)


def commit_failed(error: Exception, path: Path) -> JournalFailed:
    """Why the journal stops (R-stop)."""
    where = str(path)
    code = primary_code(error) if isinstance(error, sqlite3.Error) else 0
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _busy(where)
    remedy = "free space on its disk, then" if code == sqlite3.SQLITE_FULL else "mend the cause, then"
    return JournalFailed(
        f"commit failed: {error}",
        where=where,
        fix=f"{remedy} open the store again: all that was acknowledged is there",
    )


def _busy(where: str) -> JournalFailed:
    return JournalFailed(
        f"another program has kept the store locked for {BUSY_SECONDS:.0f} s",
        where=where,
        fix="end that program",
    )
