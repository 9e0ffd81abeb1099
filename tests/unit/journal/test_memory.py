from __future__ import annotations

import pytest

from skep.errors import BlobNotFound
from skep.journal.base import StreamItem
from skep.journal.memory import MemoryJournal
from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.journal.kit import events, names, opened, summary


async def run_once(journal, run_id, number, status="done"):
    log = f"run:{run_id}"
    await journal.acquire(log)
    sha256 = await journal.put_blob(f"only {run_id}".encode(), log=log)
    await journal.put_blob(b"everybody's", log=log)
    journal.stream(log, [StreamItem("t", 1, 1, 1, 1, b"x")])
    journal.append(log, 1, events(run_id), summary(run_id, "running", created_at=number))
    journal.append(log, 2, events("end"), summary(run_id, status, created_at=number))
    await journal.release(log)
    return sha256


@in_loop
async def test_only_the_last_finished_runs_are_kept():
    async with opened(MemoryJournal(Limits(memory_runs=2))) as journal:
        kept = await journal.put_blob(b"only 0")
        digests = [await run_once(journal, str(number), number) for number in range(5)]
        await run_once(journal, "open", 9, "suspended")
        assert [row.run_id for row in await journal.list_runs()] == ["open", "4", "3"]
        for number in range(3):
            assert await journal.get_run(str(number)) is None
            assert await journal.read(f"run:{number}") == []
            assert await journal.read_stream(f"run:{number}") == []
        assert names(await journal.read("run:3")) == ["3", "end"]
        with pytest.raises(BlobNotFound):
            await journal.get_blob(digests[1])
        assert await journal.get_blob(digests[3], log="run:3") == b"only 3"
        assert await journal.get_blob(kept) == b"only 0", "stored for nobody in particular: it stays"
        assert [item.position for item in await journal.read_all()] == [7, 8, 9, 10, 11, 12]


@in_loop
async def test_a_run_that_goes_on_is_not_finished():
    async with opened(MemoryJournal(Limits(memory_runs=1))) as journal:
        await run_once(journal, "a", 1)
        journal.append("run:a", 3, events("again"), summary("a", "running"))
        await run_once(journal, "b", 2)
        await run_once(journal, "c", 3)
        assert names(await journal.read("run:a")) == ["a", "end", "again"]
        assert await journal.get_run("b") is None


@in_loop
async def test_forgetting_many_runs_leaves_nothing_behind():
    async with opened(MemoryJournal(Limits(memory_runs=3))) as journal:
        for number in range(2_000):
            journal.append(f"run:{number}", 1, events("x", "y"), summary(str(number), "done"))
        assert len(journal._logs._order) < 1_100
        assert len(journal._logs._logs) == 3
        assert names(await journal.read_all(1_900)) == ["x", "y"] * 3
