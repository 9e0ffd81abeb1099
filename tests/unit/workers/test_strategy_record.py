from __future__ import annotations

import asyncio

from skep.errors import JournalFailed
from skep.strategy.calls import Call, Calls
from skep.testing.aio import run
from skep.testing.clock import FakeClock
from skep.workers.strategy.record import AttemptRecord


class Channel:
    """As much of an attempt as a record needs."""

    def __init__(self, fails=False) -> None:
        self.recorded = []
        self.flushed = asyncio.Event()
        self._fails = fails

    async def recorded_calls(self):
        return []

    def record_call(self, call) -> None:
        self.recorded.append(call.name)

    async def durable(self) -> None:
        await self.flushed.wait()
        if self._fails:
            raise JournalFailed("full")


def test_what_waits_for_durability_runs_after_it_and_in_order():
    async def go():
        channel = Channel()
        calls = Calls((await AttemptRecord.load(channel, FakeClock())).calls(""))
        seen = []

        def script():
            calls.add(Call("state.incr", "d"))
            calls.once_durable(lambda: seen.append(list(channel.recorded)))
            calls.settle()
            return list(seen)

        on_thread = asyncio.create_task(asyncio.to_thread(script))
        while len(channel.recorded) < 2:
            await asyncio.sleep(0)
        assert seen == []
        channel.flushed.set()
        assert await on_thread == [["begin", "state.incr"]]

    run(go())


def test_a_store_that_has_stopped_lets_nothing_follow():
    async def go():
        channel = Channel(fails=True)
        record = (await AttemptRecord.load(channel, FakeClock())).calls("")
        seen = []
        record.once_durable(lambda: seen.append(1))
        channel.flushed.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert seen == []

    run(go())
