"""The table `leases`: one owner a log, known by its process and taken over when that is dead."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from msgspec import structs

from skep.errors import RunOwned
from skep.journal.base import Lease
from skep.journal.owner import ProcessId, holds, in_sight, this_process

_FIND = "SELECT generation, owner, since, pid, started, boot, host, namespace FROM leases WHERE log = ?"
_TAKE = """
INSERT INTO leases (log, generation, owner, since, pid, started, boot, host, namespace)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (log) DO UPDATE SET
    generation = excluded.generation, owner = excluded.owner, since = excluded.since, pid = excluded.pid,
    started = excluded.started, boot = excluded.boot, host = excluded.host, namespace = excluded.namespace
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
        generation, holder, since, *fields = row
        if holder == owner:
            return Lease(log, generation)
        process = ProcessId(*fields)
        if holder is not None and holds(holder, process):
            raise _owned(log, holder, process, since)
    connection.execute(_TAKE, (log, generation + 1, owner, now_ms, *structs.astuple(this_process())))
    return Lease(log, generation + 1)


def is_held(connection: sqlite3.Connection, log: str) -> bool:
    """Whether a live process holds the lease of `log`."""
    row = connection.execute(_FIND, (log,)).fetchone()
    if row is None:
        return False
    _, holder, _, *fields = row
    return holder is not None and holds(holder, ProcessId(*fields))


def release(connection: sqlite3.Connection, log: str, owner: str) -> None:
    """Give a lease back, if `owner` still has it."""
    connection.execute(_RELEASE, (log, owner))


def release_all(connection: sqlite3.Connection, owner: str) -> None:
    """Give all leases of `owner` back; without any, the write lock is not needed."""
    if connection.execute(_ANY, (owner,)).fetchone():
        connection.execute(_RELEASE_ALL, (owner,))


def _owned(log: str, holder: str, process: ProcessId, since: int) -> RunOwned:
    when = datetime.fromtimestamp(since / 1000, UTC).isoformat(timespec="seconds")
    if in_sight(process):
        what = f"process {process.pid} on {process.host} has been working on it since {when}"
        return RunOwned(what, where=log, fix="wait until it ends, or end that process and resume")
    return RunOwned(
        f"process {process.pid} on {process.host} took it at {when}, and whether that still lives cannot be"
        " seen from here: it is in another container or on another machine",
        where=log,
        fix="resume it there; or, once that process has surely ended, give back what it held:"  # noqa: S608 - told, not run
        f" sqlite3 STORE \"UPDATE leases SET owner = NULL WHERE owner = '{holder}'\"",
    )
