"""What layers cost an attempt beyond their own work; each hands the spawn inward and acts after the worker.

Time of this thread, so that what else the machine does counts little.

ours_layers.py LAYERS ATTEMPTS
"""

from __future__ import annotations

import asyncio
import sys
import time

from probe import report, require

from skep.layers.base import Around
from skep.layers.stack import Stack
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.base import Ctx, Outcome, Spawner, Worker, wrap_join
from skep.workers.python.invocation import Invocation
from skep.workers.python.spawner import InProcSpawner

ROUNDS = 15


class Bare:
    """A layer that does nothing, before and after."""

    name = "bare"

    def __call__(self, inner: Spawner) -> Spawner:
        return _Bare(inner)


class _Bare(Around):
    async def spawn(self, ctx: Ctx) -> Worker:
        return wrap_join(await self.inner.spawn(ctx), _after, name="bare")


async def _after(outcome: Outcome) -> Outcome:
    return outcome


async def work(inv: Invocation) -> int:
    return int(inv.input)


async def seconds(spawner: Spawner, attempts: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        contexts = [make_ctx(1, channel=FakeAttempt()) for _ in range(attempts)]
        start = time.thread_time()
        for ctx in contexts:
            worker = await spawner.spawn(ctx)
            await worker.join()
            ctx.cancel_token.release()  # as the engine does
        best = min(best, time.thread_time() - start)
        require(
            all(ctx.channel.last_final() == (1, True) for ctx in contexts), "an attempt has another result"
        )
    return best


class Own:
    """The layers' own work and nothing else: what they do before and after, called one inside the other."""

    def __init__(self, inner: Own | None) -> None:
        self.inner = inner

    async def spawn(self, ctx: Ctx) -> None:
        if self.inner is not None:
            await self.inner.spawn(ctx)


async def own_seconds(layers: int, attempts: int) -> float:
    """Of `layers` that are coroutines before and after, without what makes them layers."""
    own = Own(None)
    for _ in range(layers):
        own = Own(own)
    ctx, best = make_ctx(1), float("inf")
    for _ in range(ROUNDS):
        start = time.thread_time()
        for _ in range(attempts):
            await own.spawn(ctx)
            for _ in range(layers):
                await _after(None)
        best = min(best, time.thread_time() - start)
    return best


async def run(layers: int, attempts: int) -> None:
    stack = Stack(InProcSpawner(work))
    for _ in range(layers):
        stack = stack.layer(Bare())
    without = await seconds(InProcSpawner(work), attempts)
    layered = await seconds(stack, attempts)
    own = await own_seconds(layers, attempts)
    overhead = (layered - without - own) / attempts * 1e6
    report(us_for_layers=overhead, us_own=own / attempts * 1e6, us_without=without / attempts * 1e6)


asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))
