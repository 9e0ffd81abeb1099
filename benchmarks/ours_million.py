"""One run of N steps (`group`, SQLite): what a step costs late in its life, against early.

The agent notes the time at every thousandth step. Early is the median window of steps 1,000 to 11,000, late
that of the last tenth.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time

from ours import START, chain, engine_in
from probe import folder, report, require

WINDOW = 1_000


async def run(steps: int) -> None:
    marks: list[float] = []

    def mark(step: int) -> None:
        if step % WINDOW == 0:
            marks.append(time.perf_counter())

    with folder() as place:
        async with engine_in("sqlite", place, seen=mark) as engine:
            ctx = await (await engine.start(chain(steps), START)).result()
            require(ctx["state"]["n"] == steps, f"the counter is {ctx['state']['n']}, not {steps}")
    windows = [(after - before) / WINDOW * 1e6 for before, after in itertools.pairwise(marks)]
    require(len(windows) == steps // WINDOW - 1, f"{len(windows)} windows")
    early, late = statistics.median(windows[1:11]), statistics.median(windows[-(len(windows) // 10) :])
    report(late_over_early=late / early, early_us=early, late_us=late)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
