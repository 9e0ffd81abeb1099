"""What other processes ask of the tokens that this one owns: that they end, or that their session goes on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from skep.errors import SkepError

if TYPE_CHECKING:
    from skep.engine.background import Background
    from skep.engine.token_acts import TokenActs
    from skep.journal.base import InboxMessage

log = logging.getLogger("skep.engine")

POLL_SECONDS = 0.2
LONGEST_PAUSE = 10.0
"""Seconds between two looks when the inbox cannot be read; it begins with `POLL_SECONDS` and doubles."""


class TokenInbox:
    """Reads the inbox of the owned logs of tokens; nothing goes on while there are none."""

    def __init__(self, acts: TokenActs, background: Background) -> None:
        self._acts = acts
        self._background = background
        self._ledger = acts.ledger
        self._task: asyncio.Task[Any] | None = None

    def start(self) -> None:
        """Begin, unless it is going on."""
        if self._task is None or self._task.done():
            self._task = self._background.run(self._pump())

    async def _pump(self) -> None:
        watch = self._ledger.journal.watch()
        owned = self._acts.dispatcher.tokens.logs.owned
        looked, due, pause = 0, False, POLL_SECONDS
        while True:
            try:
                # What was seen to change is owed until it has been read.
                due = await watch.changed() or due or len(owned) != looked
                if due:
                    looked = len(owned)
                    await self._take(sorted(owned))
                due, pause = False, POLL_SECONDS
            except Exception as error:  # noqa: BLE001 - later messages must not be lost to it
                due, pause = True, min(2 * pause, LONGEST_PAUSE)
                self._failed(pause, error)
            await asyncio.sleep(pause)

    async def _take(self, logs: list[str]) -> None:
        messages = await self._ledger.journal.receive(logs)
        for message in messages:
            self._act(message)
        if messages:
            await self._ledger.flushed()
            await self._ledger.journal.settle_inbox([message.id for message in messages])

    def _act(self, message: InboxMessage) -> None:
        nonce = message.body.get("nonce")
        record = self._ledger.state.tokens.get(nonce) if isinstance(nonce, str) else None
        # A message is about what stands in the log that it was sent to.
        ours = record is not None and message.log == f"session:{record.session_id}"
        if not ours or not self._acts.carry_out(str(message.body.get("kind")), str(nonce), message.log):
            self._ledger.counters["inbox_dropped"] += 1
            log.warning("message %d to %s asks for nothing known and was dropped", message.id, message.log)

    def _failed(self, pause: float, error: Exception) -> None:
        self._ledger.counters["inbox_errors"] += 1
        trace = None if isinstance(error, SkepError) else error
        log.error("the inbox of tokens cannot be read, again in %.1f s: %s", pause, error, exc_info=trace)
