"""stream, read_stream."""
# ruff: noqa: S101, PLR2004 - pytest's assertions, on literal expectations

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skep.journal.base import StreamBatch
from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.journal.kit import NewStore, Part, batch, events, examples, items, opened

DATA = st.binary(max_size=8) | st.sampled_from([b"", b"\n", b"a\n\nb", b"x" * 70_000])
BATCHES = st.lists(
    st.tuples(
        st.builds(
            StreamBatch,
            task_id=st.sampled_from("tu"),
            attempt=st.integers(1, 2),
            first=st.integers(1, 4),
            version=st.integers(1, 2),
            at=st.just(9),
            data=st.lists(DATA, min_size=1, max_size=5),
        ),
        st.booleans(),
    ),
    max_size=8,
)
"""Each, and whether it is waited for."""


class StreamContract(Part):
    """stream, read_stream."""

    @in_loop
    async def test_items_come_back_in_order(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            journal.stream("run:a", batch("t", 1, 2))
            journal.stream("run:a", batch("u", 1))
            journal.stream("run:b", batch("t", 1))
            journal.stream("run:a", batch("t", 3))
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
                journal.stream("run:a", batch("t", number))
                if number % 7 == 0:
                    await journal.flushed(journal.append("run:a", number // 7, events("x")))
            await journal.flushed(journal.append("run:a", 15, events("x")))
            kept = [item.number for item in await journal.read_stream("run:a")]
            assert kept == list(range(101 - len(kept), 101))
            assert 20 <= len(kept) <= 30
            assert journal.stats()["stream_pruned"] == 100 - len(kept)

    @given(batches=BATCHES, after=st.integers(0, 5), limit=st.integers(1, 9))
    @examples
    @in_loop
    async def test_items_come_back_one_by_one_however_they_came(
        self, new_store: NewStore, batches: list[tuple[StreamBatch, bool]], after: int, limit: int
    ) -> None:
        expected = [item for one, _ in batches for item in one.items()]
        async with opened(new_store()()) as journal:
            for one, wait in batches:
                journal.stream("run:a", one)
                if wait:
                    await journal.drained()
            await journal.drained()
            assert await journal.read_stream("run:a") == expected
            later = [item for item in expected if item.number > after]
            assert await journal.read_stream("run:a", None, after, limit) == later[:limit]
            of_task = [item for item in later if item.task_id == "t"]
            assert await journal.read_stream("run:a", "t", after, limit) == of_task[:limit]

    @given(sizes=st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=12))
    @examples
    @in_loop
    async def test_what_is_not_kept_was_pruned_or_dropped(
        self, new_store: NewStore, sizes: list[tuple[int, bool]]
    ) -> None:
        limits, written = Limits(stream_items=20, stream_backlog=30), 0
        async with opened(new_store(limits)()) as journal:
            for size, wait in sizes:
                journal.stream("run:a", batch("t", *range(written + 1, written + size + 1)))
                written += size
                if wait:
                    await journal.drained()
            await journal.drained()
            kept = [item.number for item in await journal.read_stream("run:a")]
            stats = journal.stats()
        assert kept == list(range(written + 1 - len(kept), written + 1))
        assert min(20, written) <= len(kept) <= 24
        assert len(kept) + stats["stream_pruned"] + stats["stream_dropped"] == written

    @in_loop
    async def test_once_drained_nothing_of_what_was_queued_waits(self, new_store: NewStore) -> None:
        limits = Limits(stream_backlog=4)
        async with opened(new_store(limits)()) as journal:
            for number in range(1, 10):
                journal.stream("run:a", batch("t", 2 * number, 2 * number + 1))
                await journal.drained()
            assert [item.number for item in await journal.read_stream("run:a")] == list(range(2, 20))
            assert journal.stats()["stream_dropped"] == 0
