"""What the Lua layer adds to an attempt: a before and an after hook on warm VMs, against the same attempt without.

ours_lua_layer.py inline|thread ATTEMPTS   attempts one after the other, microseconds added to each
ours_lua_layer.py crowd ATTEMPTS           so many at once on four VMs in threads, again and again: the time of
                                           each, how far any came out of its turn, and what stays in memory
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time

from ours_lua import AFTER, BEFORE, OUT
from probe import report, require

from skep.layers.lua import LuaLayer
from skep.layers.stack import Stack
from skep.lua.pool import LuaPool
from skep.lua.pooled import Where
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.base import Spawner
from skep.workers.python.invocation import Invocation
from skep.workers.python.spawner import InProcSpawner

ROUND = 20
CROWDS = 6
SWITCH = 0.0005
"""As `skep` programs have it: how long a thread may keep another waiting."""


async def work(inv: Invocation) -> object:
    return inv.input


async def attempt(spawner: Spawner) -> FakeAttempt:
    channel = FakeAttempt()
    worker = await spawner.spawn(make_ctx(OUT["value"], channel=channel))
    await worker.join()
    return channel


async def seconds(spawner: Spawner) -> float:
    start = time.perf_counter()
    for _ in range(ROUND):
        await attempt(spawner)
    return (time.perf_counter() - start) / ROUND


async def added_us(where: Where, count: int) -> float:
    pool = LuaPool()
    bare = InProcSpawner(work)
    layered = Stack(bare).layer(LuaLayer(BEFORE, AFTER, pool, where=where))
    channel = await attempt(layered)
    require(channel.last_final() == ({"seen": OUT["value"]}, True), "the hooks did not run")
    pairs = [(await seconds(layered), await seconds(bare)) for _ in range(count // ROUND)]
    pool.shutdown()
    return statistics.median(slow - quick for slow, quick in pairs) * 1e6


def resident() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - as small as it can be
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


async def crowd(count: int) -> None:
    pool = LuaPool()
    layered = LuaLayer(BEFORE, AFTER, pool, where="thread")(InProcSpawner(work))
    times: list[float] = []
    memory: list[int] = []
    displaced = 0
    for _ in range(CROWDS):
        ended: list[int] = []

        async def one(number: int, ended: list[int] = ended) -> None:
            await attempt(layered)
            ended.append(number)

        start = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(count)))
        times.append((time.perf_counter() - start) / count)
        memory.append(resident())
        displaced = max(displaced, *(abs(place - number) for place, number in enumerate(ended)))
        require(pool.in_use == 0, "a VM did not come back")
    pool.shutdown()
    growth = (memory[-1] - memory[1]) / 2**20
    report(crowd_us=statistics.median(times) * 1e6, displaced=displaced, growth_mib=growth)


async def run(mode: str, count: int) -> None:
    sys.setswitchinterval(SWITCH)
    if mode == "crowd":
        await crowd(count)
    else:
        report(added_us=await added_us("inline" if mode == "inline" else "thread", count))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
