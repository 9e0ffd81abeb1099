"""What holds for every spawner whose workers serve many attempts."""
# ruff: noqa: S101, PLR2004 - pytest's assertions, on literal expectations

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import pytest

from skep.errors import WorkerCancelled, WorkerFailed
from skep.testing.aio import in_loop
from skep.testing.workers.attempt import FakeAttempt, make_ctx
from skep.workers.base import CancelToken, Spawner
from skep.workers.pool import PoolSize


class Closable(Spawner, Protocol):
    """A spawner whose idle workers can be ended."""

    async def close(self) -> None: ...


PooledOf = Callable[[PoolSize], Closable]
PooledTest = Callable[[Any, PooledOf], Coroutine[Any, Any, None]]


def _closed(test: PooledTest) -> Callable[[Any, PooledOf], None]:
    @functools.wraps(test)
    async def call(self: Any, pooled_of: PooledOf) -> None:
        made: list[Closable] = []

        def noted(size: PoolSize) -> Closable:
            made.append(pooled_of(size))
            return made[-1]

        try:
            await test(self, noted)
        finally:
            for spawner in made:
                await spawner.close()

    return in_loop(call)


async def ask(spawner: Spawner, do: str, cancel: CancelToken | None = None) -> Any:
    """Perform one attempt whose input is `{"do": do}`; its value."""
    attempt = FakeAttempt()
    fields = {"cancel_token": cancel} if cancel is not None else {}
    worker = await spawner.spawn(make_ctx({"do": do}, channel=attempt, **fields))
    await worker.join()
    ((value, ok),) = attempt.finals
    assert ok
    return value


async def _begun() -> None:
    """Let what was asked for begin."""
    for _ in range(10):
        await asyncio.sleep(0)


class ReusableContract:
    """Derive a class with a fixture `pooled_of`: from a `PoolSize` to a spawner.

    Its workers do what their input says. `{"do": "count"}`: the result is `[who, n]`, with a name of the worker's
    own and how often it was invoked. `{"do": "crash"}`: ends without a result. `{"do": "hang"}`: goes on until
    it is cancelled.
    """

    @_closed
    async def test_one_worker_serves_many_attempts(self, pooled_of: PooledOf) -> None:
        spawner = pooled_of(PoolSize(max=3))
        answers = [await ask(spawner, "count") for _ in range(5)]
        assert [number for _, number in answers] == [1, 2, 3, 4, 5]
        assert len({name for name, _ in answers}) == 1

    @_closed
    async def test_attempts_at_the_same_time_have_workers_of_their_own_up_to_the_most(
        self, pooled_of: PooledOf
    ) -> None:
        spawner = pooled_of(PoolSize(max=2))
        answers = await asyncio.gather(*(ask(spawner, "count") for _ in range(20)))
        assert len({name for name, _ in answers}) <= 2
        assert max(number for _, number in answers) >= 10

    @_closed
    async def test_a_crash_fails_its_own_attempt_and_the_worker_is_replaced(
        self, pooled_of: PooledOf
    ) -> None:
        spawner = pooled_of(PoolSize(max=1))
        first, _ = await ask(spawner, "count")
        crashing = asyncio.ensure_future(ask(spawner, "crash"))
        others = asyncio.gather(ask(spawner, "count"), ask(spawner, "count"))
        with pytest.raises(WorkerFailed):
            await crashing
        (second, number), last = await others
        assert second != first
        assert (number, last) == (1, [second, 2])

    @_closed
    async def test_a_cancelled_attempt_ends_alone(self, pooled_of: PooledOf) -> None:
        spawner = pooled_of(PoolSize(max=2))
        token = CancelToken()
        hanging = asyncio.ensure_future(ask(spawner, "hang", token))
        await _begun()
        first = await ask(spawner, "count")
        token.cancel("enough")
        with pytest.raises(WorkerCancelled, match="enough"):
            await hanging
        assert (await ask(spawner, "count"))[0] == first[0]

    @_closed
    async def test_an_attempt_may_be_cancelled_while_it_waits(self, pooled_of: PooledOf) -> None:
        spawner = pooled_of(PoolSize(max=1))
        first, second = CancelToken(), CancelToken()
        hanging = asyncio.ensure_future(ask(spawner, "hang", first))
        await _begun()
        waiting = asyncio.ensure_future(ask(spawner, "count", second))
        await _begun()
        second.cancel("not needed")
        with pytest.raises(WorkerCancelled, match="not needed"):
            await waiting
        first.cancel("enough")
        with pytest.raises(WorkerCancelled, match="enough"):
            await hanging
        assert (await ask(spawner, "count"))[1] == 1

    @_closed
    async def test_idle_workers_end(self, pooled_of: PooledOf) -> None:
        spawner = pooled_of(PoolSize(max=2, idle=0.01))
        first, _ = await ask(spawner, "count")
        await asyncio.sleep(0.05)
        second, number = await ask(spawner, "count")
        assert second != first
        assert number == 1

    @_closed
    async def test_so_many_are_kept(self, pooled_of: PooledOf) -> None:
        spawner = pooled_of(PoolSize(min=1, max=2, idle=0.01))
        first, _ = await ask(spawner, "count")
        await asyncio.sleep(0.05)
        assert await ask(spawner, "count") == [first, 2]

    @_closed
    async def test_after_a_close_it_begins_anew(self, pooled_of: PooledOf) -> None:
        spawner = pooled_of(PoolSize())
        first, _ = await ask(spawner, "count")
        await spawner.close()
        assert (await ask(spawner, "count"))[0] != first
