"""How far the steps of one run may be ahead of the journal (R-ack, `durability: group`)."""

from __future__ import annotations

import asyncio
from collections import deque

from skep.errors import SkepError
from skep.journal.base import Journal


class Ahead:
    """At most `limit` ends of attempts are recorded and not durable yet; further ones wait their turn."""

    def __init__(self, journal: Journal, limit: int) -> None:
        self._journal = journal
        self._limit = limit
        self._unacked: deque[int] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._admitted = 0
        self._pump: asyncio.Task[None] | None = None

    def is_full(self) -> bool:
        """Whether an attempt that has ended must wait before that is recorded."""
        unacked = self._unacked
        if len(unacked) + self._admitted < self._limit:
            return False
        durable = self._journal.durable
        while unacked and unacked[0] <= durable:
            unacked.popleft()
        return len(unacked) + self._admitted >= self._limit or bool(self._waiting)

    async def room(self) -> None:
        """Wait until one more may be recorded; whoever came first goes first. Then `record` it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._admit())
        try:
            await turn
        finally:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._admitted -= 1

    def record(self, seq: int) -> None:
        """An end was recorded under this sequence number."""
        self._unacked.append(seq)

    async def _admit(self) -> None:
        while self._waiting:
            try:
                if self._unacked and self._unacked[0] > self._journal.durable:
                    await self._journal.flushed(self._unacked[0])
            except SkepError as error:
                self._refuse(error)
                return
            durable = self._journal.durable
            while self._unacked and self._unacked[0] <= durable:
                self._unacked.popleft()
            self._wake(self._limit - len(self._unacked) - self._admitted)
            await asyncio.sleep(0)

    def _wake(self, count: int) -> None:
        while count > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._admitted += 1
                count -= 1

    def _refuse(self, error: SkepError) -> None:
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(error)
        self._waiting.clear()
