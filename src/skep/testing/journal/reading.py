"""read, read_all, read_last."""
# ruff: noqa: S101, PLR2004 - pytest's assertions, on literal expectations

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skep.journal.base import Recorded
from skep.testing.aio import in_loop
from skep.testing.events import any_event
from skep.testing.journal.kit import (
    Ear,
    NewStore,
    Part,
    events,
    examples,
    names,
    opened,
    settle,
)


class ReadingContract(Part):
    """read, read_all, read_last."""

    @in_loop
    async def test_read_goes_on_after_any_version(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            journal.append("run:a", 1, events("1", "2", "3"))
            journal.append("run:b", 1, events("other"))
            await journal.flushed(journal.append("run:a", 4, events("4", "5")))
            for after in range(7):
                found = await journal.read("run:a", after)
                assert [item.version for item in found] == list(range(after + 1, 6))
            assert len(await journal.read("run:a", 0, 1)) < 5
            assert await journal.read("run:unknown") == []

    @in_loop
    async def test_read_last(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            assert await journal.read_last("run:a") is None
            await journal.flushed(journal.append("run:a", 1, events("1", "2", "3")))
            last = await journal.read_last("run:a")
            assert last is not None
            assert (last.version, names([last])) == (3, ["3"])

    @in_loop
    async def test_read_all_pages_through_every_log(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            for version in range(1, 31):
                await journal.flushed(
                    journal.append(f"run:{version % 2}", (version + 1) // 2, events(str(version)))
                )
            seen: list[Recorded] = []
            while page := await journal.read_all(seen[-1].position if seen else 0, 7):
                assert len(page) < 15
                seen += page
            assert names(seen) == [str(version) for version in range(1, 31)]

    @examples
    @given(data=st.data())
    @in_loop
    async def test_every_event_comes_back_as_it_was(self, new_store: NewStore, data: st.DataObject) -> None:
        given_events = data.draw(st.lists(any_event(), min_size=1, max_size=8))
        async with opened(new_store()()) as journal:
            await journal.flushed(journal.append("run:a", 1, given_events))
            assert [item.event for item in await journal.read("run:a")] == given_events

    @examples
    @given(
        steps=st.lists(
            st.tuples(st.integers(0, 3), st.integers(1, 5), st.booleans()), min_size=1, max_size=40
        )
    )
    @in_loop
    async def test_any_interleaving_is_dense_and_in_order(
        self, new_store: NewStore, steps: list[tuple[int, int, bool]]
    ) -> None:
        store = new_store()
        journal = store()
        await journal.open()
        ear = Ear(journal)
        written: dict[str, list[str]] = {}
        order: list[str] = []
        seq = 0
        for number, (log, count, wait) in enumerate(steps):
            mine = written.setdefault(f"run:{log}", [])
            new = [f"{number}.{index}" for index in range(count)]
            seq = journal.append(f"run:{log}", len(mine) + 1, events(*new))
            mine += new
            order += new
            if wait:
                await journal.flushed(seq)
        await settle(journal, seq)
        if self.persistent:
            await journal.close()
            journal = store()
            await journal.open()
        for log, mine in written.items():
            found = await journal.read(log)
            assert names(found) == mine
            assert [item.version for item in found] == list(range(1, len(mine) + 1))
        everything = await journal.read_all()
        positions = [item.position for item in everything]
        assert names(everything) == order
        assert positions == sorted(positions)
        assert ear.recorded == everything
        await journal.close()
