"""N who poll one task, `memory` or `sqlite`: from its worker's release until the last of them has its state.

Each poll is let through by a token of its own kind, checked once; all are woken by one settling.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from ours import engine_in
from probe import folder, report, require

from skep import Engine, Invocation

TIMES = 10


async def once(engine: Engine, token: str, count: int, release: asyncio.Event) -> float:
    """Milliseconds."""
    release.clear()
    task_id = await engine.start_task(token, "gate", None)
    dispatched = asyncio.ensure_future(engine.dispatch_attempt(token, task_id))
    polling = [asyncio.ensure_future(engine.poll_task(token, task_id, 60)) for _ in range(count)]
    await asyncio.sleep(0.1)
    require(len(engine.ledger.waiters.waiting[f"rest of {task_id}"]) == count, "not all of them wait")
    start = time.perf_counter()
    release.set()
    states = await asyncio.gather(*polling)
    milliseconds = (time.perf_counter() - start) * 1e3
    await dispatched
    require(all(state.status == "pass" for state in states), "a waiter was told something else")
    return milliseconds


async def run(kind: str, count: int) -> None:
    release = asyncio.Event()
    with folder() as place:
        async with engine_in(kind, place) as engine:

            @engine.agent("gate")
            async def gate(_: Invocation) -> str:
                await release.wait()
                return "open"

            token = await engine.attach("op", "operator")
            times = [await once(engine, token, count, release) for _ in range(TIMES)]
    report(ms=statistics.median(times), max_ms=max(times))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
