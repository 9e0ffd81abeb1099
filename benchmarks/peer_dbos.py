"""DBOS's side: a workflow that calls one step N times, async and sync, on SQLite (WAL, `synchronous=FULL`).

DBOS opens SQLite with its rollback journal; the probe puts the file into WAL beforehand, which is faster.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from pathlib import Path

from dbos import DBOS, DBOSConfig
from probe import WARM_UP, committed, folder, report, require

DATABASE = "dbos.sqlite"


@DBOS.step()
def inc(n: int) -> int:
    return n + 1


@DBOS.step()
async def inc_async(n: int) -> int:
    return n + 1


@DBOS.workflow()
def chain(steps: int) -> int:
    n = 0
    for _ in range(steps):
        n = inc(n)
    return n


@DBOS.workflow()
async def chain_async(steps: int) -> int:
    n = 0
    for _ in range(steps):
        n = await inc_async(n)
    return n


def prepare(place: Path) -> None:
    connection = sqlite3.connect(place / DATABASE)
    connection.execute("PRAGMA journal_mode=WAL")
    require(connection.execute("PRAGMA synchronous").fetchone() == (2,), "synchronous is not FULL by default")
    connection.close()
    url = f"sqlite:///{place / DATABASE}"
    config = DBOSConfig(name="bench", system_database_url=url, run_admin_server=False, log_level="ERROR")
    DBOS(config=config)
    DBOS.launch()


async def timed_async(steps: int) -> tuple[int, float]:
    await chain_async(WARM_UP)
    start = time.perf_counter()
    n = await chain_async(steps)
    return n, time.perf_counter() - start


def timed(steps: int) -> tuple[int, float]:
    chain(WARM_UP)
    start = time.perf_counter()
    n = chain(steps)
    return n, time.perf_counter() - start


def run_chain(way: str, steps: int) -> None:
    with folder() as place:
        prepare(place)
        n, seconds = timed(steps) if way == "sync" else asyncio.run(timed_async(steps))
        rows = committed(place / DATABASE, "SELECT count(*) FROM operation_outputs")
        DBOS.destroy()
    require(n == steps, f"the counter is {n}, not {steps}")
    require(rows == steps + WARM_UP, f"{rows} recorded steps for {steps + WARM_UP}")
    report(us_per_step=seconds / steps * 1e6, steps_per_second=steps / seconds)


if __name__ == "__main__":
    run_chain(sys.argv[1], int(sys.argv[2]))
