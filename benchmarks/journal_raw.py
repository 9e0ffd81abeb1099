"""The journal alone, beside its floor: a raw SQLite commit through a writer thread. Takes a few seconds.

python benchmarks/journal_raw.py

One row is one step of five events. Medians over rounds in which floor and journal alternate.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from skep.core import events as ev
from skep.core.outputs import final
from skep.journal.base import Journal
from skep.journal.codec import encode_events
from skep.journal.sqlite import SqliteJournal

ROUNDS = 5
COMMITS = 200
LOGS, TURNS = 200, 15
BURST = 5_000


def step(number: int) -> list[ev.AnyEvent]:
    """The five events of a step, as the engine records them."""
    task = f"T-{number:016x}"
    return [
        ev.TaskCreated(
            at=1, task_id=task, agent="a", run_id="run-0123456789abcdef", step_key="s[1]", digest="d" * 64
        ),
        ev.TaskAttemptStarted(at=1, task_id=task, attempt=1, nonce="n" * 32, deadline=1),
        ev.WorkerOutput(at=1, task_id=task, attempt=1, event=final({"count": number})),
        ev.TaskAttemptCompleted(at=1, task_id=task, attempt=1, ok=True),
        ev.TaskPass(at=1, task_id=task),
    ]


STEPS = [step(number) for number in range(BURST)]
PAYLOAD = encode_events(STEPS[0])


class Floor:
    """A writer thread with one INSERT; kept over all rounds, so that its WAL is as warm as ours."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[asyncio.Future[None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, args=(path,))
        self._thread.start()

    def _write(self, path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE log (position INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        while (job := self._jobs.get()) is not None:
            connection.execute("INSERT INTO log (data) VALUES (?)", (PAYLOAD,))
            self._loop.call_soon_threadsafe(job.set_result, None)
        connection.close()

    async def round_trip(self) -> float:
        """Microseconds from handing one row over until the loop knows that it is durable."""
        times: list[float] = []
        for _ in range(COMMITS):
            start = time.perf_counter()
            done: asyncio.Future[None] = self._loop.create_future()
            self._jobs.put(done)
            await done
            times.append(time.perf_counter() - start)
        return statistics.median(times) * 1e6

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()


async def round_trip(journal: Journal, log: str) -> float:
    """The same through the journal: `append` until `flushed` returns."""
    times: list[float] = []
    for number in range(COMMITS):
        start = time.perf_counter()
        await journal.flushed(journal.append(log, 1 + 5 * number, STEPS[number]))
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


async def burst(journal: Journal, log: str) -> tuple[float, float]:
    """Microseconds of the loop's thread for one `append`; and until all are durable, for each."""
    start = time.perf_counter()
    for number, events in enumerate(STEPS):
        seq = journal.append(log, 1 + 5 * number, events)
    appended = time.perf_counter()
    await journal.flushed(seq)
    return (appended - start) / BURST * 1e6, (time.perf_counter() - start) / BURST * 1e6


async def together(journal: Journal, name: str) -> float:
    """Rows a second where many runs each wait for their step before the next."""

    async def one(log: str) -> None:
        for turn in range(TURNS):
            await journal.flushed(journal.append(log, 1 + 5 * turn, STEPS[turn]))

    rows = journal.stats()["rows"]
    start = time.perf_counter()
    await asyncio.gather(*(one(f"{name}{number}") for number in range(LOGS)))
    return (journal.stats()["rows"] - rows) / (time.perf_counter() - start)


@contextmanager
def busy_thread() -> Generator[None]:
    """A thread that computes all the time, beside."""
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(1_000))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SqliteJournal]:
    journal = SqliteJournal(path)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


async def measure(place: Path) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        samples.setdefault(name, []).append(value)

    async with opened(place / "journal.db") as journal:
        floor = Floor(place / "floor.db")
        for number in range(ROUNDS):
            note("raw commit round trip, us", await floor.round_trip())
            note("journal round trip, us", await round_trip(journal, f"run:rt{number}"))
            append, durable = await burst(journal, f"run:burst{number}")
            note("append in a burst, us", append)
            note("durable in a burst, us a step", durable)
            note(f"{LOGS} waiting runs, rows/s", await together(journal, f"run:t{number}."))
            with busy_thread():
                note(
                    f"{LOGS} waiting runs beside a busy thread, rows/s",
                    await together(journal, f"run:b{number}."),
                )
            start = time.perf_counter()
            found = await journal.read(f"run:burst{number}", 0, BURST * 5)
            note("read, us an event", (time.perf_counter() - start) / len(found) * 1e6)
        floor.close()
    return samples


def main() -> None:
    sys.setswitchinterval(0.0005)  # as the skep program does
    with tempfile.TemporaryDirectory() as place:
        samples = asyncio.run(measure(Path(place)))
    for name, values in samples.items():
        print(f"{statistics.median(values):12,.1f}  {name}")
    ratio = [ours / raw for raw, ours in zip(*list(samples.values())[:2], strict=True)]
    print(f"{statistics.median(ratio):12.2f}  journal round trip / raw")


if __name__ == "__main__":
    main()
