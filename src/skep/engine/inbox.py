"""What other processes ask of the runs that we own (DESIGN section 7, the store's inbox)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from skep.errors import SkepError

if TYPE_CHECKING:
    from skep.engine.engine import Engine
    from skep.journal.base import InboxMessage

log = logging.getLogger("skep.engine")

POLL_SECONDS = 0.2
"""How often the store is asked whether another process wrote; only while a run of ours is open."""


class InboxPump:
    """Reads the inbox of our logs whenever the store has been written to by somebody else."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it is going on."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._pump())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _pump(self) -> None:
        engine = self._engine
        first = True
        while engine.drivers:
            try:
                if first or await engine.journal.changed():
                    await self._take_all()
            except SkepError as error:
                log.error("the inbox cannot be read any more: %s", error)  # noqa: TRY400 - the message says it
                return
            first = False
            await asyncio.sleep(POLL_SECONDS)

    async def _take_all(self) -> None:
        logs = [driver.log for driver in self._engine.drivers.values()]
        messages = await self._engine.journal.receive(logs)
        for message in messages:
            self._act(message)
        if messages:
            await self._engine.ledger.flushed()
            await self._engine.journal.settle_inbox([message.id for message in messages])

    def _act(self, message: InboxMessage) -> None:
        driver = self._engine.drivers.get(message.log.removeprefix("run:"))
        if driver is None:
            return
        if message.body.get("kind") == "cancel":
            driver.cancel(str(message.body.get("reason", "cancelled"))[:200])
        else:
            log.warning("message %d to %s is of no known kind and was dropped", message.id, message.log)
