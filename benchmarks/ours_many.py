"""Many chains at once, `durability="step"`: every step waits for the disk, the runs share its commits."""

from __future__ import annotations

import asyncio
import sys
import time

from ours import START, chain, check_durable, engine_in
from probe import WARM_UP, folder, report, require


async def run(runs: int, steps: int) -> None:
    with folder() as place:
        async with engine_in("sqlite", place) as engine:
            await (await engine.start(chain(WARM_UP), START, durability="step")).result()
            flow = chain(steps)

            async def one() -> str:
                handle = await engine.start(flow, START, durability="step")
                require((await handle.result())["state"]["n"] == steps, "a counter is wrong")
                return handle.id

            start = time.perf_counter()
            run_ids = await asyncio.gather(*(one() for _ in range(runs)))
            seconds = time.perf_counter() - start
            for run_id in run_ids:
                await check_durable(place, run_id, steps)
    report(us_per_step=seconds / (runs * steps) * 1e6, steps_per_second=runs * steps / seconds)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))
