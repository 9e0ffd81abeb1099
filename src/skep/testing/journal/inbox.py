"""send, receive, settle_inbox, watch."""
# ruff: noqa: S101 - pytest's assertions, on literal expectations

from __future__ import annotations

import asyncio

import pytest

from skep.errors import BadValue, InvalidTransition, LimitExceeded
from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.journal.kit import NewStore, Part, events, opened, summary


class InboxContract(Part):
    """send, receive, settle_inbox, watch."""

    @in_loop
    async def test_messages_wait_until_they_are_settled(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            first = await journal.send("run:a", {"kind": "cancel", "why": ["no", None]})
            assert first is not None
            second = await journal.send("run:b", {})
            third = await journal.send("run:a", {"n": 3})
            found = await journal.receive(["run:a", "run:c"])
            assert [(message.id, message.log) for message in found] == [(first, "run:a"), (third, "run:a")]
            assert found[0].body == {"kind": "cancel", "why": ["no", None]}
            await journal.settle_inbox([first, 10_000])
            assert [message.id for message in await journal.receive(["run:a", "run:b"])] == [second, third]
            assert await journal.receive([]) == []

    @in_loop
    async def test_of_messages_that_are_one_and_the_same_one_waits(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            sent = (journal.send("run:a", {"n": n}, once="k") for n in range(3))
            first, *others = await asyncio.gather(*sent)
            assert isinstance(first, int)
            assert others == [None, None]
            assert await journal.send("run:a", {}, once="other")
            assert await journal.send("run:b", {}, once="k")
            assert [message.body for message in await journal.receive(["run:a"])] == [{"n": 0}, {}]
            await journal.settle_inbox([first])
            assert await journal.send("run:a", {}, once="k")
            assert await journal.send("run:a", {})
            assert await journal.send("run:a", {})

    @in_loop
    async def test_of_two_processes_one_leaves_the_message(self, new_store: NewStore) -> None:
        store = new_store()
        async with opened(store()) as ours, self.sharing(store) as theirs:
            marks = ("a", "b", "c")
            for mark in marks:
                sent = (each.send("run:a", {}, once=mark) for each in (ours, theirs))
                assert sorted(one is None for one in await asyncio.gather(*sent)) == [False, True]
            assert len(await ours.receive(["run:a"])) == len(marks)

    @in_loop
    async def test_the_inbox_is_bounded(self, new_store: NewStore) -> None:
        limits = Limits(inbox_messages=3, inbox_message_bytes=100)
        async with opened(new_store(limits)()) as journal:
            first = await journal.send("run:a", {"n": 1})
            assert first is not None
            await journal.send("run:a", {"n": 2})
            await journal.send("run:a", {"n": 3})
            with pytest.raises(LimitExceeded, match="inbox_messages"):
                await journal.send("run:a", {})
            await journal.send("run:b", {})
            await journal.settle_inbox([first])
            await journal.send("run:a", {})
            with pytest.raises(LimitExceeded, match="inbox_message_bytes"):
                await journal.send("run:c", {"text": "x" * 100})
            with pytest.raises(BadValue):
                await journal.send("run:c", {"number": float("nan")})

    @in_loop
    async def test_a_run_that_has_ended_takes_no_message(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            await journal.flushed(journal.append("run:a", 1, events("x"), summary("a")))
            waiting = await journal.send("run:a", {"n": 1})
            await journal.flushed(journal.append("run:a", 2, events("y"), summary("a", "done")))
            with pytest.raises(InvalidTransition, match="done"):
                await journal.send("run:a", {"n": 2})
            assert [message.id for message in await journal.receive(["run:a"])] == [waiting]
            await journal.flushed(journal.append("run:a", 3, events("again"), summary("a")))
            await journal.send("run:a", {"n": 3})

    @in_loop
    async def test_a_message_shows_as_a_change(self, new_store: NewStore) -> None:
        store = new_store()
        async with opened(store()) as ours:
            watch, other = ours.watch(), ours.watch()
            assert await watch.changed()
            assert not await watch.changed()
            assert await other.changed()
            if self.shared:
                async with opened(store()) as theirs:
                    await theirs.send("run:a", {})
            else:
                await ours.send("run:a", {})
            for each in (watch, other):
                assert await each.changed(), "what one watch saw is news to another"
                assert not await each.changed()
            assert await ours.watch().changed()
