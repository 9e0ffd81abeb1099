"""The process's memory while tasks finish: `one` run of N steps, or `many` runs of 1,000 one after the other.

Memory is what the kernel counts as resident, read ten times on the way, without a garbage collection first.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from ours import START, chain, check_durable, engine_in
from probe import folder, report, require

from skep import Engine

SAMPLES = 10
RUN_STEPS = 1_000


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Sampler:
    """Counts finished tasks and reads the memory after every tenth of them."""

    def __init__(self, tasks: int) -> None:
        self.every = tasks // SAMPLES
        self.done = 0
        self.found: list[float] = []

    def count(self, _step: int) -> None:
        self.done += 1
        if self.done % self.every == 0:
            self.found.append(resident_mib())


async def one_run(engine: Engine, place: Path, tasks: int) -> None:
    handle = await engine.start(chain(tasks), START)
    require((await handle.result())["state"]["n"] == tasks, "the counter is wrong")
    await check_durable(place, handle.id, tasks)


async def many_runs(engine: Engine, tasks: int) -> None:
    steps = min(RUN_STEPS, tasks)
    flow = chain(steps)
    for _ in range(tasks // steps):
        ctx = await (await engine.start(flow, START)).result()
        require(ctx["state"]["n"] == steps, "the counter is wrong")


async def run(shape: str, tasks: int) -> None:
    sampler = Sampler(tasks)
    with folder() as place:
        async with engine_in("sqlite", place, seen=sampler.count) as engine:
            if shape == "one":
                await one_run(engine, place, tasks)
            else:
                await many_runs(engine, tasks)
    require(len(sampler.found) == SAMPLES, f"{len(sampler.found)} samples")
    first, *_, last = sampler.found
    numbers = {f"rss_mib_{sampler.every * (index + 1)}": found for index, found in enumerate(sampler.found)}
    report(growth_mib=last - first, first_mib=first, last_mib=last, **numbers)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
