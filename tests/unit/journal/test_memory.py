from __future__ import annotations

import pytest

from skep.core.events import RunFinished
from skep.errors import BlobNotFound
from skep.journal.base import StreamBatch
from skep.journal.memory import MemoryJournal
from skep.journal.memory.streams import ITEM_BYTES
from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.journal.directory import asked, keys, token
from skep.testing.journal.kit import events, names, opened, summary


async def run_once(journal, run_id, number, status="done"):
    log = f"run:{run_id}"
    await journal.acquire(log)
    sha256 = await journal.put_blob(f"only {run_id}".encode(), log=log)
    await journal.put_blob(b"everybody's", log=log)
    journal.stream(log, StreamBatch("t", 1, 1, 1, 1, [b"x"]))
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


@in_loop
async def test_sessions_keep_their_last_events_all_together():
    async with opened(MemoryJournal(Limits(memory_session_events=10))) as journal:
        digest = await journal.put_blob(b"theirs", log="session:a")
        journal.append("run:a", 1, events("kept"), summary("a"))
        for version in (1, 3):
            journal.append("session:a", version, events("x", "y"))
        journal.stream("session:a", StreamBatch("t", 1, 1, 1, 1, [b"x"]))
        for version in range(1, 9):
            journal.append("session:b", version, events(str(version)))
        assert [item.version for item in await journal.read("session:a")] == [3, 4]
        assert await journal.get_blob(digest, log="session:a") == b"theirs"
        for version in range(9, 21):
            journal.append("session:b", version, events(str(version)))
        assert names(await journal.read("session:b")) == [str(version) for version in range(11, 21)]
        assert await journal.read("session:a") == await journal.read_stream("session:a") == []
        assert await journal.read_last("session:a") is None
        with pytest.raises(BlobNotFound):
            await journal.get_blob(digest)
        await journal.flushed(journal.append("session:a", 5, events("back")))
        assert names(await journal.read("session:a")) == ["back"]
        assert names(await journal.read("run:a")) == ["kept"]


@in_loop
async def test_what_is_found_goes_with_its_event():
    async with opened(MemoryJournal(Limits(memory_session_events=4, memory_runs=1))) as journal:
        journal.append("session:a", 1, [token("a1")])
        journal.append("session:a", 2, [token("a2"), token("a3")])
        journal.append("session:b", 1, [token("b1")])
        assert keys(await journal.list_entries("token")) == ["a1", "a2", "a3", "b1"]
        journal.append("session:b", 2, [token("b2")])
        assert keys(await journal.list_entries("token")) == ["a2", "a3", "b1", "b2"]
        journal.append("session:b", 3, events("x", "y", "z"))
        assert keys(await journal.list_entries("token")) == ["b2"]
        for run_id in ("c", "d"):
            end = RunFinished(at=1, run_id=run_id, status="done")
            journal.append(f"run:{run_id}", 1, [end, asked(run_id)], summary(run_id, "done"))
        assert keys(await journal.list_entries("question")) == ["d"]
        assert journal._directory._logs.keys() == {"session:b", "run:d"}
        assert len(journal._directory._subjects) == len(journal._directory._entries) == 3


@in_loop
async def test_long_sessions_leave_nothing_behind():
    async with opened(MemoryJournal(Limits(memory_session_events=5))) as journal:
        for version in range(1, 4_000):
            journal.append("session:a", version, events("x"))
        assert len(journal._logs._order) < 2_100
        assert len(journal._logs._logs["session:a"]) == 5


@in_loop
async def test_streams_are_bounded_by_bytes_and_the_quietest_log_goes_first():
    room = 4 * (100 + ITEM_BYTES)
    async with opened(MemoryJournal(Limits(memory_stream_bytes=room))) as journal:

        def stream(log, *numbers):
            journal.stream(log, StreamBatch("t", 1, numbers[0], 1, 1, [b"x" * 100] * len(numbers)))

        async def kept(log):
            return [item.number for item in await journal.read_stream(log)]

        stream("session:a", 1, 2)
        stream("session:b", 1)
        stream("session:a", 3)
        stream("session:c", 1)
        assert [await kept(f"session:{name}") for name in "abc"] == [[1, 2, 3], [], [1]]
        stream("session:c", 2, 3, 4, 5, 6)
        assert [await kept(f"session:{name}") for name in "abc"] == [[], [], [3, 4, 5, 6]]
        assert journal.stats()["stream_pruned"] == 6
        journal.stream("session:d", StreamBatch("t", 1, 1, 1, 1, [b"x" * 10_000]))
        assert [await kept(f"session:{name}") for name in "cd"] == [[], []]
        assert journal._streams._logs == {}
        assert journal._streams._bytes == 0
