"""The yardstick of this machine: the least that a step in asyncio needs, without an engine around it.

Five events as msgspec structs, the digest of the input, the value encoded once, one task a worker. The
design took 7 us a step for it and set its target for an in-memory step, 20 us, on that machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import sys
import time

import msgspec
from probe import WARM_UP, report, require


class Event(msgspec.Struct, frozen=True, tag=True, gc=False, omit_defaults=True):
    at: int


class Created(Event):
    task: str
    agent: str
    key: str
    digest: str


class Started(Event):
    task: str
    attempt: int


class Output(Event):
    task: str
    value: msgspec.Raw


class Completed(Event):
    task: str
    ok: bool


class Passed(Event):
    task: str


encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


def now() -> int:
    return time.time_ns() // 1_000_000


async def inc(given: dict[str, int]) -> dict[str, int]:
    return {"n": given["n"] + 1}


async def work(task: str, data: bytes, log: list[Event], done: asyncio.Future[bytes]) -> None:
    value = encode(await inc(decode(data)))
    log.append(Output(now(), task, msgspec.Raw(value)))
    done.set_result(value)


async def chain(steps: int) -> tuple[int, list[Event]]:
    loop, numbers = asyncio.get_running_loop(), itertools.count()
    state, log = {"n": 0}, list[Event]()
    for turn in range(steps):
        data, task = encode(state), f"T-{next(numbers):016x}"
        at = now()
        log.append(Created(at, task, "inc", f"0[{turn}]", hashlib.sha256(data).hexdigest()))
        log.append(Started(at, task, 1))
        done: asyncio.Future[bytes] = loop.create_future()
        worker = loop.create_task(work(task, data, log, done))
        value = await done
        at = now()
        log.append(Completed(at, task, ok=worker is not None))
        log.append(Passed(at, task))
        state = decode(value)
    return state["n"], log


async def run(steps: int) -> None:
    await chain(WARM_UP)
    start = time.perf_counter()
    count, log = await chain(steps)
    seconds = time.perf_counter() - start
    require(count == steps and len(log) == 5 * steps, f"counted {count} with {len(log)} events")
    report(us_per_step=seconds / steps * 1e6)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
