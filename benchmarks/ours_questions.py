"""N open questions in one run, `memory` or `sqlite`: what answering one costs while nearly all of them stay open.

Alone: one after the other, each until its answer is durable. Together: as many at once as `ANSWERS`, which share
commits; that is the work of an answer without its wait for the disk.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from ours import at, blueprint, engine_in, recorded
from probe import folder, report, require

from skep import Blueprint, Engine

ANSWERS = 40
"""Of the N, in each of the two ways."""
WARM_UP = 10


def questions() -> Blueprint:
    """Each lane asks its item."""
    body = {"kind": "ask", "question": at("$.item"), "audience": "senior", "out": at("$.answer")}
    flow = {"kind": "fanout", "items": at("$.items"), "bind": at("$.item"), "body": body, "out": at("$.out")}
    return blueprint("questions", {**flow, "join": "all", "select": at("$.answer")})


async def alone(engine: Engine, keys: list[str]) -> list[float]:
    """Microseconds of each answer."""
    times: list[float] = []
    for key in keys:
        start = time.perf_counter()
        await engine.resume(None, key, {"yes": True})
        times.append((time.perf_counter() - start) * 1e6)
    return times


async def together(engine: Engine, keys: list[str]) -> float:
    """Microseconds an answer."""
    start = time.perf_counter()
    await asyncio.gather(*(engine.resume(None, key, {"yes": True}) for key in keys))
    return (time.perf_counter() - start) / len(keys) * 1e6


async def run(kind: str, count: int) -> None:
    with folder() as place:
        async with engine_in(kind, place) as engine:
            start = time.perf_counter()
            handle = await engine.start(questions(), {"items": list(range(count))})
            require(await handle.until_suspended(), "the run does not wait")
            asking = time.perf_counter() - start
            keys = [question.key for question in await engine.list_questions(run_id=handle.id)]
            require(len(keys) == count, f"{len(keys)} questions are open, not {count}")
            await alone(engine, keys[:WARM_UP])
            times = await alone(engine, keys[WARM_UP : WARM_UP + ANSWERS])
            shared = await together(engine, keys[WARM_UP + ANSWERS : WARM_UP + 2 * ANSWERS])
            answered = WARM_UP + 2 * ANSWERS
            left = await engine.list_questions(run_id=handle.id)
            require(len(left) == count - answered, f"{len(left)} questions are left")
            if kind == "sqlite":
                kinds = await recorded(place, handle.id)
                require(
                    kinds["senior_answered"] + kinds["question_answered"] == answered, "an answer is lost"
                )
    report(
        p50_us=statistics.median(times), max_us=max(times), together_us=shared, ask_us=asking / count * 1e6
    )


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
