"""Processes for untrusted scripts: warm, few, and each for one principal only."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from skep.errors import ConfigError, LuaProcessFailed, PoolExhausted, WorkerCancelled
from skep.lua.isolation.bounds import DEFAULT_BOUNDS, Bounds
from skep.lua.isolation.child import Child
from skep.lua.isolation.launch import Program
from skep.lua.isolation.spare import Spare
from skep.lua.limits import DEFAULT_LIMITS, Limits
from skep.workers.cancel import CancelToken


class ChildPool:
    """At most `max_size` processes, and one more that is ready for whoever comes next.

    A process that has served a principal serves no other: it is kept for that one's next call until somebody else
    needs its place. Who waits is served in the order of coming. Belongs to the event loop that it is first used on.

    Args:
        limits: of every call; `wall` must be finite, for it is what ends a loop inside Lua's C functions.
        bounds: of a process.
        max_size: processes that may be in use, or kept for a principal, at once.
        max_waiting: callers that may wait for one.
        timeout: seconds that a caller waits.
        program: what runs in a process; for tests.

    Raises:
        ConfigError: limits that are none.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        bounds: Bounds = DEFAULT_BOUNDS,
        *,
        max_size: int = 4,
        max_waiting: int = 10_000,
        timeout: float = 30.0,
        program: Program | None = None,
    ) -> None:
        if not math.isfinite(limits.wall):
            raise ConfigError("untrusted scripts need a limit on wall time", fix="set Limits(wall=...)")
        if max_size < 1:
            raise ConfigError(f"a pool of {max_size} processes can run nothing", fix="max_size >= 1")
        self.limits = limits
        self._max_size = max_size
        self._max_waiting = max_waiting
        self._timeout = timeout
        self._spare = Spare(limits, bounds, program)
        self._places = 0
        """Of `max_size`, those taken: by a call, or by a process that is kept."""
        self._busy: dict[Child, str] = {}
        self._idle: dict[Child, str] = {}
        """With its principal; the one used longest ago first."""
        self._waiting: deque[tuple[str, asyncio.Future[Child | None]]] = deque()
        self._ending: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def stats(self) -> dict[str, int]:
        """Processes `busy` and `idle`, and callers `waiting`."""
        return {"busy": len(self._busy), "idle": len(self._idle), "waiting": len(self._waiting)}

    async def warm(self) -> None:
        """Have a process ready before the first call needs one.

        Raises:
            LuaProcessFailed: none can be started.
        """
        await self._spare.ready()

    @asynccontextmanager
    async def process(self, principal: str, cancel: CancelToken | None = None) -> AsyncGenerator[Child]:
        """A process that has served no other principal, for one call.

        Raises:
            PoolExhausted: none was free in time, or too many wait.
            LuaProcessFailed: none can be started, or the pool is closed.
            WorkerCancelled: `cancel` was cancelled while this caller waited.
        """
        child = await self._check_out(principal, cancel)
        self._busy[child] = principal
        try:
            if self._closed:  # since it was handed over
                raise _closed()
            yield child
        finally:
            del self._busy[child]
            self._give_back(child, principal)

    async def forget(self, principal: str) -> None:
        """End the processes of a principal; its calls fail."""
        owners = [*self._busy.items(), *self._idle.items()]
        await self._end([child for child, owner in owners if owner == principal])

    async def shutdown(self) -> None:
        """End every process: calls fail, and nothing can be called any more."""
        self._closed = True
        for _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(_closed())
        self._waiting.clear()
        await self._spare.close()
        await self._end([*self._busy, *self._idle])
        await asyncio.gather(*self._ending)

    # -- places --------------------------------------------------------------------------------

    async def _check_out(self, principal: str, cancel: CancelToken | None) -> Child:
        if self._closed:
            raise _closed()
        child = self._kept_for(principal)
        if child is None and not self._take_place():
            child = await self._wait(principal, cancel)
        if child is not None:
            return child
        try:
            return await self._spare.take()
        except BaseException:
            self._free_place()
            raise

    def _kept_for(self, principal: str) -> Child | None:
        for child in [child for child, owner in self._idle.items() if owner == principal]:
            del self._idle[child]
            if child.alive:
                return child
            self._free_place()
        return None

    def _take_place(self) -> bool:
        """A place for a new process: one that is free, else that of the process used longest ago."""
        if self._places < self._max_size:
            self._places += 1
            return True
        if not self._idle:
            return False
        oldest = next(iter(self._idle))
        del self._idle[oldest]
        self._retire(oldest)
        return True

    async def _wait(self, principal: str, cancel: CancelToken | None) -> Child | None:
        """Until it is our turn: a process of this principal, or `None` for the place of one."""
        if len(self._waiting) >= self._max_waiting:
            raise PoolExhausted(
                f"{self._max_waiting:,} calls wait for a process for untrusted scripts already"
            )
        turn: asyncio.Future[Child | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((principal, turn))
        if cancel is not None:
            cancel.on_cancel(lambda reason: _fail(turn, WorkerCancelled(reason)))
        try:
            async with asyncio.timeout(self._timeout):
                return await turn
        except BaseException as error:
            with suppress(ValueError):  # its turn may have come
                self._waiting.remove((principal, turn))
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on(turn.result(), principal)
            if isinstance(error, TimeoutError):
                raise PoolExhausted(
                    f"none of {self._max_size} processes for untrusted scripts was free within {self._timeout:g} s"
                ) from None
            raise

    def _give_back(self, child: Child, principal: str) -> None:
        if child.alive and not child.worn and not self._closed:
            self._pass_on(child, principal)
        else:
            self._retire(child)
            self._free_place()

    def _pass_on(self, child: Child | None, principal: str) -> None:
        """Give a process that can be used, or a place, to whoever waits longest."""
        if child is None:
            self._free_place()
            return
        waiter = self._next_waiter()
        if waiter is None:
            self._idle[child] = principal
        elif waiter[0] == principal:
            waiter[1].set_result(child)
        else:
            self._retire(child)
            waiter[1].set_result(None)

    def _free_place(self) -> None:
        waiter = self._next_waiter()
        if waiter is None:
            self._places -= 1
        else:
            waiter[1].set_result(None)

    def _next_waiter(self) -> tuple[str, asyncio.Future[Child | None]] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter[1].done():
                return waiter
        return None

    # -- ends ----------------------------------------------------------------------------------

    def _retire(self, child: Child) -> None:
        child.kill()
        if not child.gone.done():
            self._ending.add(child.gone)
            child.gone.add_done_callback(self._ending.discard)

    async def _end(self, children: list[Child]) -> None:
        for child in children:
            if self._idle.pop(child, None) is not None:
                self._free_place()
            self._retire(child)
        await asyncio.gather(*(child.gone for child in children))


def _fail(turn: asyncio.Future[Child | None], error: Exception) -> None:
    if not turn.done():
        turn.set_exception(error)


def _closed() -> LuaProcessFailed:
    return LuaProcessFailed("the pool of processes for untrusted scripts is closed")
