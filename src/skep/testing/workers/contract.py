"""What holds for every spawner, whatever starts behind it."""
# ruff: noqa: S101 - pytest's assertions

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import pytest

from skep.errors import AlreadyJoined, WorkerCancelled, WorkerFailed
from skep.testing.aio import in_loop
from skep.testing.workers.attempt import FakeAttempt, make_ctx
from skep.workers.base import Outcome, Spawner, Worker, performing, wrap_join

Behaviour = Literal["echo", "fail", "hang", "big"]
SpawnerOf = Callable[[Behaviour], Spawner]

BIG = 2_000_000
"""Characters in the result of `big`."""


ContractTest = Callable[[Any, SpawnerOf], Coroutine[Any, Any, None]]


def in_closed_loop(test: ContractTest) -> Callable[[Any, SpawnerOf], None]:
    """As `in_loop`, and spawners that can be closed are, while the loop runs."""

    @functools.wraps(test)
    async def call(self: Any, spawner_of: SpawnerOf) -> None:
        made: list[Any] = []

        def noted(behaviour: Behaviour) -> Spawner:
            made.append(spawner_of(behaviour))
            return made[-1]

        try:
            await test(self, noted)
        finally:
            for spawner in made:
                if hasattr(spawner, "close"):
                    await spawner.close()

    return in_loop(call)


class WorkerContract:
    """The whole suite; see the package's text for how to use it."""

    grace = 5.0
    """Seconds that a cancelled `hang` may take to end."""

    @in_closed_loop
    async def test_the_result_reaches_the_channel_as_one_final(self, spawner_of: SpawnerOf) -> None:
        attempt, given = FakeAttempt(), {"words": ["é", "\u2028"], "n": 1.5, "none": None}
        worker = await spawner_of("echo").spawn(make_ctx(given, channel=attempt))
        await worker.join()
        assert attempt.finals == [(given, True)]

    @in_closed_loop
    async def test_a_failure_is_worker_failed_without_a_final(self, spawner_of: SpawnerOf) -> None:
        attempt = FakeAttempt()
        worker = await spawner_of("fail").spawn(make_ctx({}, channel=attempt))
        with pytest.raises(WorkerFailed):
            await worker.join()
        assert attempt.finals == []

    @in_closed_loop
    async def test_a_cancelled_worker_ends_within_the_grace(self, spawner_of: SpawnerOf) -> None:
        attempt = FakeAttempt()
        ctx = make_ctx({}, channel=attempt, grace=self.grace)
        worker = await spawner_of("hang").spawn(ctx)
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, ctx.cancel_token.cancel, "enough")
        began = loop.time()
        with pytest.raises(WorkerCancelled, match="enough"):
            await worker.join()
        assert loop.time() - began < self.grace + 1
        assert attempt.finals == []

    @in_closed_loop
    async def test_performed_in_one_act_it_ends_as_it_does_when_joined(self, spawner_of: SpawnerOf) -> None:
        attempt = FakeAttempt()
        await performing(spawner_of("echo"))(make_ctx({"n": 1}, channel=attempt))
        assert attempt.finals == [({"n": 1}, True)]
        attempt = FakeAttempt()
        with pytest.raises(WorkerFailed):
            await performing(spawner_of("fail"))(make_ctx({}, channel=attempt))
        ctx = make_ctx({}, channel=attempt, grace=self.grace)
        asyncio.get_running_loop().call_later(0.02, ctx.cancel_token.cancel, "enough")
        with pytest.raises(WorkerCancelled, match="enough"):
            await performing(spawner_of("hang"))(ctx)
        with pytest.raises(WorkerCancelled, match="enough"):
            await performing(spawner_of("echo"))(ctx)
        assert attempt.outputs == []

    @in_closed_loop
    async def test_cancelled_before_the_start_nothing_happens(self, spawner_of: SpawnerOf) -> None:
        attempt = FakeAttempt()
        ctx = make_ctx({}, channel=attempt)
        ctx.cancel_token.cancel("too late")
        worker = await spawner_of("echo").spawn(ctx)
        with pytest.raises(WorkerCancelled, match="too late"):
            await worker.join()
        assert attempt.outputs == []

    @in_closed_loop
    async def test_cancelled_right_after_the_spawn_nothing_is_delivered(self, spawner_of: SpawnerOf) -> None:
        attempt = FakeAttempt()
        ctx = make_ctx({}, channel=attempt, grace=self.grace)
        worker = await spawner_of("echo").spawn(ctx)
        worker.cancel_token.cancel()
        with pytest.raises(WorkerCancelled):
            await worker.join()
        assert attempt.finals == []

    @in_closed_loop
    async def test_a_worker_is_joined_once(self, spawner_of: SpawnerOf) -> None:
        worker = await spawner_of("echo").spawn(make_ctx({}))
        await worker.join()
        with pytest.raises(AlreadyJoined, match=worker.id):
            await worker.join()

    @in_closed_loop
    async def test_its_id_and_token_are_its_own(self, spawner_of: SpawnerOf) -> None:
        spawner = spawner_of("echo")
        ctx = make_ctx({})
        first, second = await spawner.spawn(ctx), await spawner.spawn(make_ctx({}))
        assert re.fullmatch("W-[0-9a-f]{16}", first.id)
        assert first.id != second.id
        assert first.cancel_token is ctx.cancel_token
        await asyncio.gather(first.join(), second.join())

    @in_closed_loop
    async def test_a_big_value_arrives_whole(self, spawner_of: SpawnerOf) -> None:
        attempt = FakeAttempt()
        worker = await spawner_of("big").spawn(make_ctx({}, channel=attempt))
        await worker.join()
        assert attempt.finals == [("x" * BIG, True)]

    @in_closed_loop
    async def test_layers_act_once_after_the_end_joined_or_not(self, spawner_of: SpawnerOf) -> None:
        for joined in (True, False):
            attempt = FakeAttempt()
            base = await spawner_of("echo").spawn(make_ctx({}, channel=attempt))
            seen: list[tuple[str, Outcome, int]] = []
            done = asyncio.Event()
            worker = base
            for name in ("inner", "outer"):
                worker = wrap_join(worker, _Noting(name, seen, attempt, done), name=name)
            assert (worker.id, worker.cancel_token) == (base.id, base.cancel_token)
            if joined:
                await worker.join()
            await done.wait()
            assert seen == [("inner", None, 1), ("outer", None, 1)]

    @in_closed_loop
    async def test_nothing_follows_the_join(self, spawner_of: SpawnerOf) -> None:
        tasks = asyncio.all_tasks()
        attempt = FakeAttempt()
        ctx = make_ctx({}, channel=attempt)
        worker = await spawner_of("echo").spawn(ctx)
        await worker.join()
        outputs = list(attempt.outputs)
        attempt.close()
        ctx.cancel_token.cancel("after the end")
        for _ in range(10):
            await asyncio.sleep(0)
        assert attempt.outputs == outputs
        assert asyncio.all_tasks() == tasks

    @in_closed_loop
    async def test_a_cancelled_joiner_does_not_keep_layers_from_acting(self, spawner_of: SpawnerOf) -> None:
        ctx = make_ctx({}, grace=self.grace)
        base = await spawner_of("hang").spawn(ctx)
        seen: list[tuple[str, Outcome, int]] = []
        done = asyncio.Event()
        worker = wrap_join(base, _Noting("outer", seen, FakeAttempt(), done), name="outer")
        joiner = asyncio.ensure_future(_join(worker))
        await asyncio.sleep(0)
        joiner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joiner
        ctx.cancel_token.cancel("enough")
        await done.wait()
        assert [type(outcome) for _, outcome, _ in seen] in ([WorkerCancelled], [WorkerFailed])


class _Noting:
    """A layer's post that notes the outcome and how many finals were there."""

    def __init__(
        self,
        name: str,
        seen: list[tuple[str, Outcome, int]],
        attempt: FakeAttempt,
        done: asyncio.Event,
    ) -> None:
        self._name = name
        self._seen = seen
        self._attempt = attempt
        self._done = done

    async def __call__(self, outcome: Outcome) -> Outcome:
        self._seen.append((self._name, outcome, len(self._attempt.finals)))
        if self._name == "outer":
            self._done.set()
        return outcome


async def _join(worker: Worker) -> None:
    await worker.join()
