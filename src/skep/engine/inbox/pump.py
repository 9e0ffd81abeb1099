"""Looking into the store's inbox, again and again, for as long as there is something of ours to be asked about."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from skep.errors import SkepError

if TYPE_CHECKING:
    from skep.engine.ledger import Ledger

log = logging.getLogger("skep.engine")

POLL_SECONDS = 0.2
"""How often the store is asked whether another process wrote."""
LONGEST_PAUSE = 10.0
"""Seconds between two attempts when the inbox cannot be read; it begins with `POLL_SECONDS` and doubles."""


class Pump:
    """Calls `take` whenever the store has been written to, or our logs are others than before.

    Args:
        ledger: its journal is watched.
        logs: those that are ours now; once there are none and none are left from before, the pump ends.
        take: acts on the messages to these logs, and to those that were ours at the last look: one that has ended
            since may have some left.
    """

    def __init__(
        self,
        ledger: Ledger,
        logs: Callable[[], set[str]],
        take: Callable[[set[str]], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._logs = logs
        self._take = take
        self._taking = asyncio.Lock()
        self._looked: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it is going on."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._pump())

    async def stop(self) -> None:
        """End it, however it fares."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Take in what is there now."""
        async with self._taking:  # a message that is acted on is there until that is durable: to be seen once
            ours = self._logs()
            await self._take(ours | self._looked)
            self._looked = ours

    def failed(self, what: str, error: Exception) -> None:
        """Count and log what went wrong."""
        self._ledger.counters["inbox_errors"] += 1
        log.error("%s: %s", what, error, exc_info=None if isinstance(error, SkepError) else error)

    # -- inside --------------------------------------------------------------------------------

    async def _pump(self) -> None:
        watch = self._ledger.journal.watch()
        pause, due = POLL_SECONDS, False
        while self._logs() or self._looked:
            try:
                # What was seen to change is owed until it has been read.
                due = await watch.changed() or due or self._logs() != self._looked
                if due:
                    await self.look()
                pause, due = POLL_SECONDS, False
            except Exception as error:  # noqa: BLE001 - whatever it is, later messages must not be lost to it
                pause, due = min(2 * pause, LONGEST_PAUSE), True
                self.failed(f"the inbox cannot be read, again in {pause:.1f} s", error)
            await asyncio.sleep(pause)
