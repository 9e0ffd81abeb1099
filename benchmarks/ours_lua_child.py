"""A hook of an untrusted script: from the call to its value, through a warm process and back.

`spaced` does something else for half a millisecond after each call, as a host does; `packed` calls again at once.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from probe import WARM_UP, report, require

from skep.lua.isolation.pool import ChildPool
from skep.lua.isolation.runner import ChildRunner
from skep.lua.runner import Script

PAUSE = 0.0005
GATE = Script("return function(ctx) return {agent = ctx.agent, attempt = ctx.attempt + 1} end", "gate.lua")


def work(seconds: float) -> None:
    """Keep the processor: one that sleeps takes long to wake on a virtual machine, which is not what is measured."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


async def run(mode: str, count: int) -> None:
    pause = PAUSE if mode == "spaced" else 0
    times: list[float] = []
    pool = ChildPool()
    begun = time.perf_counter()
    await pool.warm()
    ready = time.perf_counter() - begun
    runner = ChildRunner(pool, "somebody")
    for number in range(-WARM_UP, count):
        start = time.perf_counter()
        found = await runner.hook(GATE, {"agent": "reviewer", "attempt": number})
        times.append(time.perf_counter() - start)
        require(found == {"agent": "reviewer", "attempt": number + 1}, f"the hook gave {found}")
        work(pause)
    await pool.shutdown()
    report(p50_us=statistics.median(times[WARM_UP:]) * 1e6, start_ms=ready * 1e3)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
