"""The table `inbox`: what other processes want of a log's owner."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from skep.journal.base import InboxMessage
from skep.journal.messages import check_waiting, run_ended
from skep.limits import Limits

log = logging.getLogger("skep.journal")

_END_OF = "SELECT status FROM runs WHERE run_id = ? AND log = ? AND ended"
_LEFT = """
SELECT id FROM inbox WHERE EXISTS (
    SELECT 1 FROM runs WHERE run_id = substr(inbox.log, 5) AND runs.log = inbox.log AND ended
)
"""
_COUNT = "SELECT count(*) FROM inbox WHERE log = ?"
_WAITS = "SELECT 1 FROM inbox WHERE log = ? AND once = ?"
_SEND = "INSERT INTO inbox (log, at, body, once) VALUES (?, ?, ?, ?)"
_RECEIVE = "SELECT id, log, at, body FROM inbox WHERE log IN (SELECT value FROM json_each(?)) ORDER BY id"
_SETTLE = "DELETE FROM inbox WHERE id IN (SELECT value FROM json_each(?))"

_decoder = msgspec.json.Decoder(dict[str, Any])


def send(
    connection: sqlite3.Connection, to: str, body: bytes, *, once: str | None, now_ms: int, limits: Limits
) -> int | None:
    """Leave an encoded message for the owner of the log `to`; its id, null if its like (`once`) waits there.

    Raises:
        InvalidTransition: its run has ended; nothing was written.
        LimitExceeded: `inbox_messages`; nothing was written.
    """
    ended = connection.execute(_END_OF, (to.removeprefix("run:"), to)).fetchone()
    if ended is not None:
        raise run_ended(to, ended[0])
    if connection.execute(_WAITS, (to, once)).fetchone():
        return None
    (waiting,) = connection.execute(_COUNT, (to,)).fetchone()
    check_waiting(to, waiting, limits)
    return connection.execute(_SEND, (to, now_ms, body, once)).lastrowid or 0


def receive(connection: sqlite3.Connection, logs: Sequence[str]) -> list[InboxMessage]:
    """Messages for these logs, oldest first."""
    rows = connection.execute(_RECEIVE, (_json(logs),))
    return [InboxMessage(message_id, to, at, _body(data)) for message_id, to, at, data in rows]


def settle(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Remove messages that were dealt with."""
    connection.execute(_SETTLE, (_json(ids),))


def sweep(connection: sqlite3.Connection) -> None:
    """Drop what was left for runs that have ended since: their owner died before it had looked."""
    ids = [row[0] for row in connection.execute(_LEFT)]
    if ids:
        log.warning("%d messages to runs that have ended were dropped", len(ids))
        settle(connection, ids)


def _body(data: bytes) -> dict[str, Any]:
    """What another program has put there in our place must not keep the other messages from being read."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError):
        return {}


def _json(items: Sequence[str] | Sequence[int]) -> str:
    """One parameter however many items there are: the statement's text stays the same."""
    return msgspec.json.encode(items).decode()
