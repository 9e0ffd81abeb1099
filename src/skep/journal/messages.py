"""What may go into an inbox: the same bounds in every adapter."""

from __future__ import annotations

from typing import Any

from skep import values
from skep.errors import InvalidTransition, LimitExceeded
from skep.limits import Limits


def encode_message(log: str, body: dict[str, Any], limits: Limits) -> bytes:
    """Check a message for the owner of `log` and encode it.

    Raises:
        BadValue: not JSON.
        LimitExceeded: `inbox_message_bytes`, `max_value_depth`.
    """
    data = values.encode(body, limits, where=f"message to {log}")
    if len(data) > limits.inbox_message_bytes:
        raise LimitExceeded("inbox_message_bytes", limits.inbox_message_bytes, where=log)
    return data


def run_ended(log: str, status: str) -> InvalidTransition:
    """Why a run takes no more messages."""
    run_id = log.removeprefix("run:")
    return InvalidTransition(f"the run has ended: {status}", where=log, fix=f"skep show {run_id}")


def check_waiting(log: str, waiting: int, limits: Limits) -> None:
    """Refuse one more message where `waiting` wait already.

    Raises:
        LimitExceeded: `inbox_messages`.
    """
    if waiting >= limits.inbox_messages:
        raise LimitExceeded(
            "inbox_messages",
            limits.inbox_messages,
            where=log,
            fix="its owner reads none of them: is it alive?",
        )
