"""A program is held back while the store is behind, and only then."""

from __future__ import annotations

import asyncio

import pytest

from skep.core.outputs import Progress
from skep.errors import JournalFailed
from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.process.feed import Feed

LIMITS = Limits(process_window=100, stream_backlog=20)
TURNS = 5


class Store(FakeAttempt):
    """Takes what was streamed when told to."""

    def __init__(self):
        super().__init__()
        self.waiting = []

    async def drained(self):
        self.waiting.append(asyncio.get_running_loop().create_future())
        await self.waiting[-1]


class Program:
    """As much of a `Child` as is held back."""

    def __init__(self):
        self.held = False
        self.ended = False

    def pause(self):
        assert not self.held
        self.held = True

    def resume(self):
        assert self.held
        self.held = False

    def terminate(self, grace):
        self.ended = True


class Playing:
    def __init__(self):
        self.store, self.program = Store(), Program()
        self.ctx = make_ctx(channel=self.store)
        self.feed = Feed(self.ctx, "cat", self.program, LIMITS)

    async def give(self, size, events=1):
        self.feed.give([Progress("x")] * events, size)
        await turns()


async def turns():
    for _ in range(TURNS):
        await asyncio.sleep(0)


@in_loop
async def test_a_program_that_is_no_faster_than_the_store_never_waits():
    play = Playing()
    for number in range(1, 10):
        await play.give(50)
        await play.give(10)
        assert len(play.store.waiting) == number
        play.store.waiting[-1].set_result(None)
        await turns()
        assert not play.program.held


@pytest.mark.parametrize(("size", "events"), [(101, 1), (0, 11)])
@in_loop
async def test_beyond_the_window_the_program_waits_for_the_store(size, events):
    play = Playing()
    await play.give(size, events)
    assert play.program.held
    assert len(play.store.waiting) == 1
    play.store.waiting[0].set_result(None)
    await turns()
    assert not play.program.held


@in_loop
async def test_what_came_while_the_store_was_taking_counts_for_the_next_time():
    play = Playing()
    await play.give(60)
    await play.give(40)
    assert not play.program.held
    await play.give(1)
    assert play.program.held
    play.store.waiting[0].set_result(None)
    await turns()
    assert not play.program.held
    await play.give(9)
    assert len(play.store.waiting) == 1
    await play.give(1)
    assert len(play.store.waiting) == 2
    play.feed.let_go()


@in_loop
async def test_a_cancel_lets_the_program_go_at_once():
    play = Playing()
    play.feed.give([Progress("x")], 101)
    assert play.program.held
    play.ctx.cancel_token.cancel("enough")
    await turns()
    assert not play.program.held
    await play.give(101)
    assert len(play.store.outputs) == 1


@in_loop
async def test_a_store_that_has_stopped_ends_the_program():
    play = Playing()
    await play.give(101)
    play.store.waiting[0].set_exception(JournalFailed("disk full"))
    await turns()
    assert play.program.ended
    assert not play.program.held
    assert "disk full" in str(play.feed.why)
