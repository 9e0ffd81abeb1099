"""The floor under every durable step: one row committed by a writer thread, and the loop told, one at a time.

SQLite in WAL with `synchronous=FULL`. No engine that keeps SQLite off its event loop can do better for a
step whose completion must be durable before the next one starts.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import statistics
import sys
import threading
import time
from pathlib import Path

from probe import WARM_UP, committed, folder, report, require

PAYLOAD = b"x" * 300
"""About what the events of one small step take."""


def writer(
    database: Path, loop: asyncio.AbstractEventLoop, jobs: queue.SimpleQueue[asyncio.Future[None] | None]
) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE log (position INTEGER PRIMARY KEY, data BLOB NOT NULL)")
    while (job := jobs.get()) is not None:
        connection.execute("INSERT INTO log (data) VALUES (?)", (PAYLOAD,))
        loop.call_soon_threadsafe(job.set_result, None)
    connection.close()


async def run(commits: int) -> None:
    loop = asyncio.get_running_loop()
    jobs: queue.SimpleQueue[asyncio.Future[None] | None] = queue.SimpleQueue()
    times: list[float] = []
    with folder() as place:
        thread = threading.Thread(target=writer, args=(place / "floor.db", loop, jobs))
        thread.start()
        for _ in range(commits + WARM_UP):
            start = time.perf_counter()
            done = loop.create_future()
            jobs.put(done)
            await done
            times.append(time.perf_counter() - start)
        rows = committed(place / "floor.db", "SELECT count(*) FROM log")
        jobs.put(None)
        thread.join()
    require(rows == commits + WARM_UP, f"{rows} rows for {commits + WARM_UP} commits")
    timed = times[WARM_UP:]
    report(us_per_step=statistics.fmean(timed) * 1e6, p50_us=statistics.median(timed) * 1e6)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
