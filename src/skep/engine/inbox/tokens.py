"""What other processes ask of the sessions and tokens that this one owns.

That a token ends, that a session goes on, and whatever is asked about the questions of a session's tasks.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from skep.engine.inbox import questions as question_inbox
from skep.engine.inbox.pump import Pump
from skep.errors import Fenced, JournalFailed, SkepError

if TYPE_CHECKING:
    from skep.engine.engine import Engine
    from skep.journal.base import InboxMessage

log = logging.getLogger("skep.engine")


class TokenInbox:
    """Reads the inbox of the owned logs of sessions, while there are any."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ledger = engine.ledger
        self._pump = Pump(engine.ledger, lambda: set(engine.dispatcher.tokens.logs.owned), self._take)
        self._acted: set[int] = set()
        """Messages that could not be settled yet."""

    def start(self) -> None:
        """Begin, unless it is going on."""
        self._pump.start()

    async def stop(self) -> None:
        """End it, however it fares."""
        await self._pump.stop()

    async def _take(self, logs: set[str]) -> None:
        # A log that we have let go may be another's by now.
        ours = logs & self._engine.dispatcher.tokens.logs.owned
        for message in await self._ledger.journal.receive(sorted(ours)):
            if message.id not in self._acted and self._act(message):
                self._acted.add(message.id)
        if self._acted:
            # Fenced says that the last append of all was lost; what went before is durable.
            with contextlib.suppress(Fenced):
                await self._ledger.flushed()
            await self._ledger.journal.settle_inbox(tuple(self._acted))
            self._acted.clear()

    def _act(self, message: InboxMessage) -> bool:
        """Do what a message asks; whether it was dealt with."""
        act = question_inbox.ACTS.get(str(message.body.get("kind")))
        try:
            if act is not None:
                act(self._engine.questions, message.body)
            elif not self._is_of_token(message):
                self._drop(message, "asks for nothing known")
        except (JournalFailed, Fenced) as error:
            self._pump.failed(f"message {message.id} to {message.log} could not be carried out", error)
            return False
        except (SkepError, KeyError, TypeError, ValueError) as error:
            self._drop(message, f"was refused ({error})")
        return True

    def _is_of_token(self, message: InboxMessage) -> bool:
        """Carry out what is asked of a token or its session; false when that is nothing known."""
        nonce = message.body.get("nonce")
        record = self._ledger.state.tokens.get(nonce) if isinstance(nonce, str) else None
        # A message is about what stands in the log that it was sent to.
        ours = record is not None and message.log == f"session:{record.session_id}"
        kind = str(message.body.get("kind"))
        return ours and self._engine.carry_out(kind, str(nonce), message.log)

    def _drop(self, message: InboxMessage, why: str) -> None:
        self._ledger.counters["inbox_dropped"] += 1
        log.warning("message %d to %s %s and was dropped", message.id, message.log, why)
