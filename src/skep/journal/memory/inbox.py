"""The inbox in memory: what somebody else wants of a log's owner."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from skep import values
from skep.journal.base import InboxMessage
from skep.journal.messages import check_waiting, encode_message
from skep.limits import Limits


class MemoryInbox:
    """Messages by id, oldest first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._messages: dict[int, tuple[InboxMessage, str | None]] = {}
        self.sent = 0
        """How many messages were ever sent; the last one's id."""

    def send(self, log: str, body: dict[str, Any], at: int, once: str | None) -> int | None:
        data = encode_message(log, body, self._limits)
        waiting = [like for message, like in self._messages.values() if message.log == log]
        if once is not None and once in waiting:
            return None
        check_waiting(log, len(waiting), self._limits)
        self.sent += 1
        self._messages[self.sent] = InboxMessage(self.sent, log, at, values.decode(data)), once
        return self.sent

    def receive(self, logs: Collection[str]) -> list[InboxMessage]:
        wanted = set(logs)
        return [message for message, _ in self._messages.values() if message.log in wanted]

    def settle(self, ids: Sequence[int]) -> None:
        for message_id in ids:
            self._messages.pop(message_id, None)
