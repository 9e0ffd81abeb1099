"""stream, read_stream."""
# ruff: noqa: S101, PLR2004 - pytest's assertions, on literal expectations

from __future__ import annotations

from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.journal.kit import NewStore, Part, events, items, opened


class StreamContract(Part):
    """stream, read_stream."""

    @in_loop
    async def test_items_come_back_in_order(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            journal.stream("run:a", items("t", 1, 2))
            journal.stream("run:a", items("u", 1))
            journal.stream("run:b", items("t", 1))
            journal.stream("run:a", items("t", 3))
            await journal.flushed(journal.append("run:a", 1, events("x")))
            found = await journal.read_stream("run:a")
            assert found == items("t", 1, 2) + items("u", 1) + items("t", 3)
            assert await journal.read_stream("run:a", "t", 1) == items("t", 2, 3)
            assert await journal.read_stream("run:a", "t", 0, 1) == items("t", 1)
            assert await journal.read_stream("run:c") == []

    @in_loop
    async def test_a_log_keeps_its_newest_items(self, new_store: NewStore) -> None:
        limits = Limits(stream_items=20)
        async with opened(new_store(limits)()) as journal:
            for number in range(1, 101):
                journal.stream("run:a", items("t", number))
                if number % 7 == 0:
                    await journal.flushed(journal.append("run:a", number // 7, events("x")))
            await journal.flushed(journal.append("run:a", 15, events("x")))
            kept = [item.number for item in await journal.read_stream("run:a")]
            assert kept == list(range(101 - len(kept), 101))
            assert 20 <= len(kept) <= 30
            assert journal.stats()["stream_pruned"] == 100 - len(kept)

    @in_loop
    async def test_once_drained_nothing_of_what_was_queued_waits(self, new_store: NewStore) -> None:
        limits = Limits(stream_backlog=4)
        async with opened(new_store(limits)()) as journal:
            for number in range(1, 10):
                journal.stream("run:a", items("t", 2 * number, 2 * number + 1))
                await journal.drained()
            assert [item.number for item in await journal.read_stream("run:a")] == list(range(2, 20))
            assert journal.stats()["stream_dropped"] == 0
