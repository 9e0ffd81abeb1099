"""The table `leases`: one owner a log, known by its process and taken over when that is dead."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from skep.errors import RunOwned
from skep.journal.base import Lease
from skep.journal.owner import ProcessId, holds, this_process

_FIND = "SELECT generation, owner, pid, started, boot, host, since FROM leases WHERE log = ?"
_TAKE = """
INSERT INTO leases (log, generation, owner, pid, started, boot, host, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (log) DO UPDATE SET
    generation = excluded.generation, owner = excluded.owner, pid = excluded.pid, started = excluded.started,
    boot = excluded.boot, host = excluded.host, since = excluded.since
"""
_RELEASE = "UPDATE leases SET owner = NULL WHERE log = ? AND owner = ?"
_ANY = "SELECT 1 FROM leases WHERE owner = ? LIMIT 1"
_RELEASE_ALL = "UPDATE leases SET owner = NULL WHERE owner = ?"


def acquire(connection: sqlite3.Connection, log: str, owner: str, now_ms: int) -> Lease:
    """Take the lease of `log` for `owner`, a journal object of this process.

    Raises:
        RunOwned: a live process holds it; nothing was written.
    """
    row = connection.execute(_FIND, (log,)).fetchone()
    generation = 0
    if row is not None:
        generation, holder, pid, started, boot, host, since = row
        if holder == owner:
            return Lease(log, generation)
        if holder is not None and holds(holder, ProcessId(pid, started, boot, host)):
            raise _owned(log, pid, host, since)
    us = this_process()
    connection.execute(_TAKE, (log, generation + 1, owner, us.pid, us.started, us.boot, us.host, now_ms))
    return Lease(log, generation + 1)


def release(connection: sqlite3.Connection, log: str, owner: str) -> None:
    """Give a lease back, if `owner` still has it."""
    connection.execute(_RELEASE, (log, owner))


def release_all(connection: sqlite3.Connection, owner: str) -> None:
    """Give all leases of `owner` back; without any, the write lock is not needed."""
    if connection.execute(_ANY, (owner,)).fetchone():
        connection.execute(_RELEASE_ALL, (owner,))


def _owned(log: str, pid: int, host: str, since: int) -> RunOwned:
    when = datetime.fromtimestamp(since / 1000, UTC).isoformat(timespec="seconds")
    return RunOwned(
        f"process {pid} on {host} has been working on it since {when}",
        where=log,
        fix="wait until it ends, or end that process and resume",
    )
