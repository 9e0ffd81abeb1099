"""One run of N steps (`group`, SQLite): what a step costs late in its life, against early.

The agent notes the time at every thousandth step. Late is the median window of the run's last tenth, early that of
steps 1,000 to 10,000 of short runs before and after it: what else the machine does in these minutes hits both.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time

from ours import START, chain, engine_in
from probe import folder, report, require

from skep import Engine

WINDOW = 1_000
EARLY = 11_000
SHORT_RUNS = 3
"""On each side of the long one."""


class Marks:
    """The time at every thousandth step of the run that is going on."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def see(self, step: int) -> None:
        if step % WINDOW == 0:
            self._times.append(time.perf_counter())

    async def windows(self, engine: Engine, steps: int) -> list[float]:
        """Run `steps` steps: microseconds a step, for each window of a thousand."""
        self._times.clear()
        ctx = await (await engine.start(chain(steps), START)).result()
        require(ctx["state"]["n"] == steps, f"the counter is {ctx['state']['n']}, not {steps}")
        found = [(after - before) / WINDOW * 1e6 for before, after in itertools.pairwise(self._times)]
        require(len(found) == steps // WINDOW - 1, f"{len(found)} windows")
        return found


async def run(steps: int) -> None:
    marks, early, short = Marks(), list[float](), min(EARLY, steps)
    with folder() as place:
        async with engine_in("sqlite", place, seen=marks.see) as engine:
            for _ in range(SHORT_RUNS):
                early += (await marks.windows(engine, short))[1:]
            windows = await marks.windows(engine, steps)
            for _ in range(SHORT_RUNS):
                early += (await marks.windows(engine, short))[1:]
    early_us, late_us = statistics.median(early), statistics.median(windows[-(len(windows) // 10) :])
    report(late_over_early=late_us / early_us, early_us=early_us, late_us=late_us)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
