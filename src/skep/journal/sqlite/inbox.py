"""The table `inbox`: what other processes want of a log's owner."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from skep import values
from skep.journal.base import InboxMessage
from skep.journal.messages import check_waiting
from skep.limits import Limits

_COUNT = "SELECT count(*) FROM inbox WHERE log = ?"
_SEND = "INSERT INTO inbox (log, at, body) VALUES (?, ?, ?)"
_RECEIVE = "SELECT id, log, at, body FROM inbox WHERE log IN (SELECT value FROM json_each(?)) ORDER BY id"
_SETTLE = "DELETE FROM inbox WHERE id IN (SELECT value FROM json_each(?))"


def send(connection: sqlite3.Connection, log: str, body: bytes, now_ms: int, limits: Limits) -> int:
    """Leave an encoded message; returns its id.

    Raises:
        LimitExceeded: `inbox_messages`; nothing was written.
    """
    (waiting,) = connection.execute(_COUNT, (log,)).fetchone()
    check_waiting(log, waiting, limits)
    return connection.execute(_SEND, (log, now_ms, body)).lastrowid or 0


def receive(connection: sqlite3.Connection, logs: Sequence[str]) -> list[InboxMessage]:
    """Messages for these logs, oldest first."""
    rows = connection.execute(_RECEIVE, (_json(logs),))
    return [InboxMessage(message_id, log, at, values.decode(body)) for message_id, log, at, body in rows]


def settle(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Remove messages that were dealt with."""
    connection.execute(_SETTLE, (_json(ids),))


def _json(items: Sequence[str] | Sequence[int]) -> str:
    """One parameter however many items there are: the statement's text stays the same."""
    return msgspec.json.encode(items).decode()
