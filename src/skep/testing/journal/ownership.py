"""acquire, release, and fencing."""
# ruff: noqa: S101 - pytest's assertions, on literal expectations

from __future__ import annotations

import pytest

from skep.errors import Fenced, RunOwned
from skep.testing.aio import in_loop
from skep.testing.journal.kit import Ear, NewStore, Part, events, names, opened, summary


class OwnershipContract(Part):
    """acquire, release, fencing."""

    @in_loop
    async def test_a_lease_is_one_until_it_is_given_back(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            first = await journal.acquire("run:a")
            assert await journal.acquire("run:a") == first
            await journal.flushed(journal.append("run:a", 1, events("x")))
            await journal.release("run:a")
            await journal.release("run:a")
            await journal.release("run:unknown")
            again = await journal.acquire("run:a")
            assert again.generation > first.generation
            await journal.flushed(journal.append("run:a", 2, events("y")))
            assert names(await journal.read("run:a")) == ["x", "y"]

    @in_loop
    async def test_whether_a_log_is_owned_is_seen_by_everybody(self, new_store: NewStore) -> None:
        store = new_store()
        async with opened(store()) as ours:
            assert not await ours.is_owned("session:a")
            await ours.acquire("session:a")
            assert await ours.is_owned("session:a")
            await ours.release("session:a")
            assert not await ours.is_owned("session:a")
            async with self.sharing(store) as theirs:
                await theirs.acquire("session:a")
                assert await ours.is_owned("session:a")
                assert not await ours.is_owned("session:b")
            assert not await ours.is_owned("session:a"), "its owner has gone"

    @in_loop
    async def test_a_fenced_log_can_be_owned_again(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            await journal.acquire("run:a")
            await journal.flushed(journal.append("run:a", 1, events("x")))
            with pytest.raises(Fenced):
                await journal.flushed(journal.append("run:a", 1, events("late")))
            await journal.release("run:a")
            await journal.acquire("run:a")
            await journal.flushed(journal.append("run:a", 2, events("y")))
            assert names(await journal.read("run:a")) == ["x", "y"]

    @in_loop
    async def test_what_another_journal_owns_is_refused_and_freed_by_its_end(
        self, new_store: NewStore
    ) -> None:
        store = new_store()
        async with opened(store()) as ours:
            async with self.sharing(store) as theirs:
                lease = await theirs.acquire("run:a")
                with pytest.raises(RunOwned, match="process") as refused:
                    await ours.acquire("run:a")
                assert refused.value.where == "run:a"
                await theirs.flushed(theirs.append("run:a", 1, events("x"), summary("a")))
                row = await ours.get_run("a")
                assert row is not None
                assert not row.interrupted
            taken = await ours.acquire("run:a")
            assert taken.generation == lease.generation + 1

    @in_loop
    async def test_an_owner_that_was_replaced_cannot_append(self, new_store: NewStore) -> None:
        store = new_store()
        async with opened(store()) as old, self.sharing(store) as new:
            await old.acquire("run:a")
            await old.flushed(old.append("run:a", 1, events("x")))
            await old.release("run:a")
            await new.acquire("run:a")
            ear = Ear(old)
            late = old.append("run:a", 2, events("late"), summary("a", "done"))
            kept = old.append("engine", 1, events("kept"))
            await old.flushed(kept)
            with pytest.raises(Fenced):
                await old.flushed(late)
            assert [type(error) for error in ear.failures] == [Fenced]
            await new.flushed(new.append("run:a", 2, events("y"), summary("a")))
            assert names(await old.read("run:a")) == ["x", "y"]
            assert names(await new.read("engine")) == ["kept"]
            row = await new.get_run("a")
            assert row is not None
            assert row.status == "running"
