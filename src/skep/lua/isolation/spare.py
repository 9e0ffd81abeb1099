"""New processes: one is started before somebody needs it, for that takes a hundred times as long as a call."""

from __future__ import annotations

import asyncio

from skep.errors import LuaProcessFailed
from skep.lua.isolation.bounds import Bounds
from skep.lua.isolation.child import Child
from skep.lua.isolation.launch import Program, scripts
from skep.lua.limits import Limits


class Spare:
    """Starts processes, and has one ready once the first was asked for."""

    def __init__(self, limits: Limits, bounds: Bounds, program: Program | None) -> None:
        self._limits = limits
        self._bounds = bounds
        self._program = program
        self._next: asyncio.Task[Child] | None = None
        self._starting: set[asyncio.Task[Child]] = set()
        self._closed = False

    async def ready(self) -> None:
        """Have one ready.

        Raises:
            LuaProcessFailed: it cannot be started.
        """
        await self._finished(self._begin())

    async def take(self) -> Child:
        """One that has served nobody; the next one is started meanwhile.

        Raises:
            LuaProcessFailed: it cannot be started.
        """
        while True:
            starting = self._begin()
            self._next = None
            try:
                child = await self._finished(starting)
            except asyncio.CancelledError:
                self._next = self._next or starting
                raise
            if child.alive:
                self._begin()
                return child

    async def close(self) -> None:
        """End those that nobody has taken."""
        self._closed = True
        untaken = {*self._starting, *([self._next] if self._next is not None else [])}
        for starting in untaken:
            starting.cancel()
        for child in await asyncio.gather(*untaken, return_exceptions=True):
            if isinstance(child, Child):
                child.kill()
                await child.gone

    async def _finished(self, starting: asyncio.Task[Child]) -> Child:
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            if self._closed:
                raise closed() from None
            raise

    def _begin(self) -> asyncio.Task[Child]:
        if self._closed:
            raise closed()
        if self._next is None or _failed(self._next):
            program = self._program or scripts()
            starting = asyncio.ensure_future(Child.started(program, self._limits, self._bounds))
            self._starting.add(starting)
            starting.add_done_callback(self._done)
            self._next = starting
        return self._next

    def _done(self, starting: asyncio.Task[Child]) -> None:
        self._starting.discard(starting)
        _failed(starting)


def closed() -> LuaProcessFailed:
    """What calls get once nothing is started any more."""
    return LuaProcessFailed("the pool of processes for untrusted scripts is closed")


def _failed(starting: asyncio.Task[Child]) -> bool:
    """Whether it could not be started: who needs the next one tries again, and is told if that fails too."""
    return starting.done() and (starting.cancelled() or starting.exception() is not None)
