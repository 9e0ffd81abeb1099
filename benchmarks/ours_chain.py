"""A chain of N steps of a trivial async agent: `memory` or `sqlite`, `group` or `step`."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time

from ours import START, chain, check_durable, engine_in
from probe import WARM_UP, folder, report, require


async def run(kind: str, durability: str, steps: int) -> None:
    times: list[float] = []
    with folder() as place:
        async with engine_in(kind, place, seen=lambda _: times.append(time.perf_counter())) as engine:
            await (await engine.start(chain(WARM_UP), START, durability=durability)).result()
            flow = chain(steps)
            times.clear()
            before = engine.journal.stats()["commits"]
            start = time.perf_counter()
            handle = await engine.start(flow, START, durability=durability)
            ctx = await handle.result()
            seconds = time.perf_counter() - start
            commits = engine.journal.stats()["commits"] - before
            require(ctx["state"]["n"] == steps, f"the counter is {ctx['state']['n']}, not {steps}")
            if kind == "sqlite":
                require(durability != "step" or commits >= steps, f"{commits} commits for {steps} steps")
                await check_durable(place, handle.id, steps)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    report(
        us_per_step=seconds / steps * 1e6,
        p50_us=statistics.median(gaps) * 1e6,
        steps_per_second=steps / seconds,
        commits=commits,
    )


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
