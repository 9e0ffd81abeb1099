"""Strategies in process: to the first query, from an answer to the next, a replay, and what waiting ones hold.

`bare` is a script of two questions, `package` one of five files; a replay runs a script again from a record of calls.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import sys
import time
from pathlib import Path

from probe import folder, report, require

from skep.strategy import Completed, NeedsResponse, StrategyHost

BARE = "alc.llm('a') alc.llm('b') return 'done'"


def package(place: Path) -> None:
    """A strategy whose `init.lua` requires four modules of its own."""
    home = place / "five"
    home.mkdir()
    names = ("one", "two", "three", "four")
    for name in names:
        (home / f"{name}.lua").write_text("local M = {} function M.say(x) return x end return M\n")
    required = "\n".join(f"local {name} = require('five.{name}')" for name in names)
    body = "local M = {} function M.run(ctx) return alc.llm(one.say(four.say('a'))) end return M"
    (home / "init.lua").write_text(f"{required}\n{body}\n")


async def first_query(host: StrategyHost, times: int, **what: object) -> float:
    """Milliseconds from the start to the first query, the median."""
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        session = await host.start(**what)
        require(isinstance(await session.next(), NeedsResponse), "it does not ask")
        taken.append((time.perf_counter() - began) * 1e3)
        await session.cancel()
    return statistics.median(taken)


async def next_query(host: StrategyHost, times: int) -> float:
    """Milliseconds from an answer to the next query, the median."""
    session = await host.start(f"for i = 1, {times} do alc.llm('a') end return 'done'")
    taken: list[float] = []
    outcome = await session.next()
    while isinstance(outcome, NeedsResponse):
        began = time.perf_counter()
        await session.respond({outcome.queries[0].id: "x"})
        outcome = await session.next()
        taken.append((time.perf_counter() - began) * 1e3)
    require(isinstance(outcome, Completed), str(outcome))
    return statistics.median(taken[:-1])


async def replay(host: StrategyHost, calls: int) -> float:
    """Microseconds a recorded call: a session with that many answers is evicted and looked at again."""
    session = await host.start(f"for i = 1, {calls} do alc.llm('a') end alc.llm('z') return 'done'")
    outcome = await session.next()
    for _ in range(calls):
        require(isinstance(outcome, NeedsResponse), str(outcome))
        await session.respond({outcome.queries[0].id: "x"})
        outcome = await session.next()
    await session.evict()
    began = time.perf_counter()
    outcome = await session.next()
    taken = (time.perf_counter() - began) / calls * 1e6
    require(isinstance(outcome, NeedsResponse), "the replay went on")
    return taken


def resident() -> float:
    """Bytes of this process."""
    gc.collect()
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def waiting(host: StrategyHost, number: int, *, evicted: bool) -> float:
    """KiB that one session holds while it waits."""
    before = resident()
    held = []
    for _ in range(number):
        session = await host.start(BARE)
        await session.next()
        if evicted:
            await session.evict()
        held.append(session)
    grown = (resident() - before) / number / 1024
    for session in held:
        await session.cancel()
    return grown


async def run(times: int) -> None:
    with folder() as place:
        package(Path(place))
        async with StrategyHost([place]) as host:
            await first_query(host, 20, code=BARE)
            bare = await first_query(host, times, code=BARE)
            five = await first_query(host, times, strategy="five")
            answer = await next_query(host, times * 5)
            recorded = await replay(host, times * 5)
            kept = await waiting(host, times, evicted=False)
            left = await waiting(host, times * 5, evicted=True)
    report(
        bare_ms=bare,
        package_ms=five,
        answer_ms=answer,
        replay_us=recorded,
        resident_kib=kept,
        evicted_kib=left,
    )


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
