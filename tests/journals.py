"""Journals that misbehave on demand, for tests of what the engine does about it."""

from __future__ import annotations

import asyncio

from skep.errors import JournalFailed
from skep.journal.memory import MemoryJournal


class HeldJournal(MemoryJournal):
    """Nothing becomes durable until `let_go` is called; while held, `held` appends wait."""

    def __init__(self):
        super().__init__()
        self._holding = False
        self._held_at = 0
        self._go = asyncio.Event()

    def hold(self):
        self._holding, self._held_at = True, super().durable
        self._go.clear()

    def let_go(self):
        self._holding = False
        self._go.set()

    @property
    def durable(self):
        return self._held_at if self._holding else super().durable

    async def flushed(self, seq):
        while self._holding and seq > self._held_at:
            await self._go.wait()
        await super().flushed(seq)


class FailingJournal(MemoryJournal):
    """A commit fails when it is told to, as if the disk were full."""

    def fail(self):
        self._tell.failed(JournalFailed("disk full", where="test", fix="free some space"))
        self._open = False
