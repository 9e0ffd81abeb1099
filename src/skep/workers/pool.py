"""Reusable workers, lent to one attempt at a time and kept for the next."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Annotated

from msgspec import Meta, Struct

from skep.errors import LimitExceeded, SkepError, WorkerCancelled, WorkerError
from skep.ids import WORKER, new_id
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.base import Completion, Ctx, JoinHandler, Outcome, Reusable, Worker
from skep.workers.completion import failed

Make = Callable[[Ctx], Awaitable[Reusable]]


class PoolSize(Struct, frozen=True, kw_only=True):
    """How many reusable workers of one agent there are."""

    min: Annotated[int, Meta(ge=0, le=1_000)] = 0
    """Kept however long nobody needs them, once they were needed."""
    max: Annotated[int, Meta(ge=1, le=1_000)] = 4
    """Beyond it attempts wait for one."""
    idle: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    """Seconds without an attempt until one ends."""


class _Idle(Struct):
    worker: Reusable
    key: Hashable
    since: float


class Pool:
    """Makes workers as they are needed. `key`: what a worker must have been made for to be lent."""

    def __init__(self, make: Make, size: PoolSize, limits: Limits = DEFAULT_LIMITS) -> None:
        self._make = make
        self._size = size
        self._limits = limits
        self._count = 0
        self._idle: list[_Idle] = []
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """Workers that live: lent, idle or being made."""
        return self._count

    async def borrow(self, ctx: Ctx, key: Hashable = None) -> Reusable:
        """A worker of the attempt's own until `give_back`.

        Raises:
            LimitExceeded: too many attempts wait for one.
            SkepError: as `make`.
        """
        while (worker := self._take(key)) is None:
            if self._count < self._size.max:
                return await self._made(ctx)
            if self._idle:
                self._end(self._idle.pop(0).worker)
            else:
                await self._wait(ctx)
        return worker

    def give_back(self, worker: Reusable, key: Hashable = None) -> None:
        """The attempt has ended; one that cannot go on is not lent again."""
        if worker.usable:
            self._idle.append(_Idle(worker, key, asyncio.get_running_loop().time()))
            self._look_later()
        else:
            self._end(worker)
        self._wake()

    async def close(self) -> None:
        """End all that are idle, and wait for those that are ending."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._idle:
            self._end(self._idle.pop().worker)
        await asyncio.gather(*self._ending)

    def _take(self, key: Hashable) -> Reusable | None:
        """The one that was used last, of those that fit."""
        for at in range(len(self._idle) - 1, -1, -1):
            if not self._idle[at].worker.usable:
                self._end(self._idle.pop(at).worker)
            elif self._idle[at].key == key:
                return self._idle.pop(at).worker
        return None

    async def _made(self, ctx: Ctx) -> Reusable:
        self._count += 1
        try:
            return await self._make(ctx)
        except BaseException:
            self._count -= 1
            self._wake()
            raise

    async def _wait(self, ctx: Ctx) -> None:
        if len(self._waiters) >= self._limits.pool_waiting:
            raise LimitExceeded(
                "pool_waiting", self._limits.pool_waiting, fix="start fewer, or raise pool.max"
            )
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        ctx.cancel_token.on_cancel(lambda _: waiter.cancel())
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake()  # it was woken and is not there any more: the next one
            if ctx.cancel_token.reason is not None:
                raise WorkerCancelled(ctx.cancel_token.reason) from None
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _end(self, worker: Reusable) -> None:
        """Its place is free at once; whoever closes the pool waits for it."""
        self._count -= 1
        task = asyncio.get_running_loop().create_task(_ended(worker))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _look_later(self) -> None:
        if self._timer is None and self._idle:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._idle[0].since + self._size.idle, self._look)

    def _look(self) -> None:
        """End those that nobody needed for long."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._idle and self._count > self._size.min and self._idle[0].since + self._size.idle <= now:
            self._end(self._idle.pop(0).worker)
        if self._count > self._size.min:
            self._look_later()


async def _ended(worker: Reusable) -> None:
    worker.cancel_token.cancel("no longer needed")
    with contextlib.suppress(WorkerError):  # how it ends after its last attempt is nobody's result
        await worker.join()


class PooledSpawner:
    """Performs each attempt as an invocation of a worker from a pool.

    Args:
        make: starts a worker; the attempt that needs it is told.
        runs_ahead: see `Spawner`.
        key: which workers an attempt may be given: those made for an attempt of the same key.
    """

    def __init__(
        self,
        make: Make,
        size: PoolSize,
        *,
        runs_ahead: bool,
        key: Callable[[Ctx], Hashable] = lambda _: None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.runs_ahead = runs_ahead
        self.pool = Pool(make, size, limits)
        self._key = key

    async def spawn(self, ctx: Ctx) -> Worker:
        """Begin to wait for a worker, and the invocation once there is one."""
        if ctx.cancel_token.reason is not None:
            ended = Completion()
            ended.resolve(_too_late(ctx))
            return JoinHandler(new_id(WORKER), ctx.cancel_token, ended)
        performing = asyncio.get_running_loop().create_task(self._outcome(ctx))
        return JoinHandler(new_id(WORKER), ctx.cancel_token, performing)

    async def perform(self, ctx: Ctx) -> None:
        """See `Performer`."""
        if ctx.cancel_token.reason is not None:
            raise _too_late(ctx)
        outcome = await self._outcome(ctx)
        if outcome is not None:
            raise outcome

    async def close(self) -> None:
        """End the workers that are idle."""
        await self.pool.close()

    async def _outcome(self, ctx: Ctx) -> Outcome:
        try:
            key = self._key(ctx)
            worker = await self.pool.borrow(ctx, key)
        except WorkerError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever keeps a worker from starting fails the attempt
            return failed(error)
        try:
            if ctx.cancel_token.reason is None:
                await worker.invoke(ctx)
        except SkepError as error:
            return error if isinstance(error, WorkerError) else failed(error)
        finally:
            self.pool.give_back(worker, key)
        reason = ctx.cancel_token.reason
        return WorkerCancelled(reason) if reason is not None else None


def _too_late(ctx: Ctx) -> WorkerCancelled:
    return WorkerCancelled(f"cancelled before the start: {ctx.cancel_token.reason}")
