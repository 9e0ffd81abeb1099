"""append, durable, flushed, listen."""
# ruff: noqa: S101, PLR2004 - pytest's assertions, on literal expectations

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from skep.errors import Fenced, JournalFailed, SkepError
from skep.journal.base import Durable
from skep.testing.aio import in_loop
from skep.testing.journal.kit import Ear, NewStore, Part, batch, events, names, opened, settle, summary


class WritingContract(Part):
    """append, durable, flushed, listen."""

    @in_loop
    async def test_append_numbers_grow_by_one_and_become_durable(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            assert journal.durable == 0
            first = journal.append("run:a", 1, events("x", "y"))
            second = journal.append("run:a", 3, events("z"))
            assert second == first + 1
            await journal.flushed(second)
            assert journal.durable == second
            assert names(await journal.read("run:a")) == ["x", "y", "z"]

    @in_loop
    async def test_announcements_come_in_order_with_what_became_durable(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            ear = Ear(journal)
            seq = 0
            for version in range(1, 40):
                seq = journal.append(f"run:{version % 3}", (version + 2) // 3, events(str(version)))
                if version % 10 == 0:
                    await journal.flushed(seq)
            await settle(journal, seq)
            assert names(ear.recorded) == [str(number) for number in range(1, 40)]
            assert [durable.seq for durable in ear.heard] == sorted({durable.seq for durable in ear.heard})
            assert ear.heard[-1].seq == seq
            assert ear.recorded == await journal.read_all()
            assert ear.failures == []

    @in_loop
    async def test_no_listener_runs_inside_append(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            ear = Ear(journal)
            journal.append("run:a", 1, events("x"))
            taken = journal.append("run:a", 1, events("x again"))
            assert (ear.heard, ear.failures) == ([], [])
            with pytest.raises(Fenced):
                await settle(journal, taken)

    @in_loop
    async def test_a_listener_that_raises_keeps_nobody_from_the_news(self, new_store: NewStore) -> None:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

        def broken(durable: Durable) -> None:
            raise ValueError(durable.seq)

        async with opened(new_store()()) as journal:
            journal.listen(broken, lambda _: None)
            ear = Ear(journal)
            await settle(journal, journal.append("run:a", 1, events("x")))
            assert names(ear.recorded) == ["x"]
        assert [type(complaint["exception"]) for complaint in complaints] == [ValueError]

    @in_loop
    async def test_a_cancelled_waiter_harms_no_other(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            seq = journal.append("run:a", 1, events("x"))
            waiters = [asyncio.ensure_future(journal.flushed(seq)) for _ in range(3)]
            waiters[0].cancel()
            await asyncio.gather(*waiters, return_exceptions=True)
            assert not waiters[2].cancelled()
            assert journal.durable >= seq

    @in_loop
    async def test_waiting_for_what_is_durable_returns_at_once(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            await journal.flushed(journal.append("run:a", 1, events("x")))
            waiting = journal.flushed(1)
            with pytest.raises(StopIteration):
                waiting.send(None)  # type: ignore[attr-defined] # a coroutine
            await journal.flushed(0)

    @in_loop
    async def test_a_taken_version_fences_its_log_only(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            ear = Ear(journal)
            await journal.flushed(journal.append("run:a", 1, events("x")))
            before = journal.append("run:b", 1, events("b1"))
            lost = journal.append("run:a", 1, events("late"), summary("a", "done"))
            after = journal.append("run:b", 2, events("b2"))
            await settle(journal, after)
            await journal.flushed(before)
            with pytest.raises(Fenced) as refused:
                await journal.flushed(lost)
            assert refused.value.where == "run:a"
            assert [(type(error), error.where) for error in ear.failures if isinstance(error, SkepError)] == [
                (Fenced, "run:a")
            ]
            with pytest.raises(Fenced):
                journal.append("run:a", 2, events("later"))
            assert names(await journal.read("run:a")) == ["x"]
            assert names(await journal.read("run:b")) == ["b1", "b2"]
            assert names(ear.recorded) == ["x", "b1", "b2"]
            assert await journal.get_run("a") is None

    @in_loop
    async def test_before_open_and_after_close_writing_is_refused(self, new_store: NewStore) -> None:
        journal = new_store()()
        with pytest.raises(JournalFailed):
            journal.append("run:a", 1, events("x"))
        async with opened(journal):
            seq = journal.append("run:a", 1, events("x"))
        assert journal.durable == seq
        await journal.flushed(seq)
        with pytest.raises(JournalFailed):
            journal.append("run:a", 2, events("y"))
        with pytest.raises(JournalFailed):
            await journal.acquire("run:a")
        with pytest.raises(JournalFailed):
            journal.stage_blob(b"x", log="run:a")
        with pytest.raises(JournalFailed):
            journal.stream("run:a", batch("t", 1))
        await journal.close()

    @in_loop
    async def test_close_makes_everything_durable_and_wakes_who_waits(self, new_store: NewStore) -> None:
        journal = new_store()()
        await journal.open()
        ear = Ear(journal)
        seq = [journal.append("run:a", version, events(str(version))) for version in range(1, 200)][-1]
        waiter = asyncio.ensure_future(journal.flushed(seq))
        await asyncio.gather(journal.close(), journal.close())
        await waiter
        assert len(ear.recorded) == 199

    @in_loop
    async def test_an_append_without_events_is_a_mistake(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            with pytest.raises(ValueError, match="events"):
                journal.append("run:a", 1, [])

    @in_loop
    async def test_counters(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            await settle(journal, journal.append("run:a", 1, events("x", "y")))
            stats = journal.stats()
            assert stats["events"] == 2
            assert stats["rows"] == stats["commits"] == 1
            assert stats["backlog"] == stats["stream_dropped"] == stats["stream_pruned"] == 0
