from __future__ import annotations

import asyncio
import contextvars
import gc
from contextlib import suppress

import pytest

from skep.errors import WorkerCancelled, WorkerFailed
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.python.spawner import InProcSpawner

WHO = contextvars.ContextVar("who", default="nobody")


def performing(function, ctx):
    return asyncio.ensure_future(InProcSpawner(function).perform(ctx))


@in_loop
async def test_it_is_performed_in_the_callers_task_and_leaves_no_trace_of_itself_there():
    async def f():
        await asyncio.sleep(0)
        before, task = WHO.get(), asyncio.current_task()
        WHO.set("f")
        return [before, task is caller]

    caller, tasks = asyncio.current_task(), asyncio.all_tasks()
    WHO.set("caller")
    attempt = FakeAttempt()
    await InProcSpawner(f).perform(make_ctx(channel=attempt))
    assert attempt.finals == [(["caller", True], True)]
    assert WHO.get() == "caller"
    assert asyncio.all_tasks() == tasks


@in_loop
async def test_one_that_never_waits_leaves_no_trace_of_itself_either():
    async def f():
        WHO.set("f")
        return WHO.get()

    WHO.set("caller")
    attempt = FakeAttempt()
    await InProcSpawner(f).perform(make_ctx(channel=attempt))
    assert attempt.finals == [("f", True)]
    assert WHO.get() == "caller"


@in_loop
async def test_an_answer_that_it_waits_for_and_an_error_reach_it():
    async def f():
        with pytest.raises(ValueError, match="no"):
            await failing
        return await answer

    loop, attempt = asyncio.get_running_loop(), FakeAttempt()
    failing, answer = loop.create_future(), loop.create_future()
    task = performing(f, make_ctx(channel=attempt))
    await asyncio.sleep(0)
    failing.set_exception(ValueError("no"))
    await asyncio.sleep(0)
    answer.set_result("yes")
    await task
    assert attempt.finals == [("yes", True)]


@in_loop
async def test_a_cancelled_performer_is_cancelled_and_the_function_with_it():
    ended, started = [], asyncio.Event()

    async def f():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = performing(f, make_ctx())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


@in_loop
async def test_a_token_ends_the_function_and_not_its_performer():
    async def f():
        await asyncio.Event().wait()

    async def perform():
        with pytest.raises(WorkerCancelled, match="enough"):
            await InProcSpawner(f).perform(ctx)
        await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    ctx = make_ctx(grace=0.01)
    asyncio.get_running_loop().call_later(0.01, ctx.cancel_token.cancel, "enough")
    assert await asyncio.ensure_future(perform()) == 0


@in_loop
async def test_a_function_that_ignores_its_token_is_counted_once_and_only_after_the_grace():
    release = asyncio.Event()

    async def stubborn():
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    async def heeds():
        await asyncio.Event().wait()

    for function, abandoned in ((stubborn, 1), (heeds, 0)):
        release.clear()
        spawner, ctx = InProcSpawner(function), make_ctx(grace=0.01)
        task = asyncio.ensure_future(spawner.perform(ctx))
        await asyncio.sleep(0)
        ctx.cancel_token.cancel("enough")
        assert spawner.abandoned == 0
        await asyncio.sleep(0.03)
        release.set()
        with pytest.raises(WorkerCancelled, match="enough"):
            await task
        assert spawner.abandoned == abandoned


@in_loop
async def test_a_cancel_after_the_end_hits_nobody():
    async def f(inv):
        kept.append(inv.cancel_token)

    kept = []
    await InProcSpawner(f).perform(make_ctx())
    kept[0].cancel("too late")
    await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0


@in_loop
async def test_an_attempt_leaves_nothing_to_the_garbage_collector():
    async def f():
        return 1

    async def spawn_and_join(ctx):
        worker = await spawner.spawn(ctx)
        await worker.join()

    async def left_by(perform):
        gc.collect()
        gc.disable()
        try:
            ctx = make_ctx()
            await perform(ctx)
            ctx.cancel_token.release()
            del ctx
            return gc.collect()
        finally:
            gc.enable()

    spawner = InProcSpawner(f)
    for perform in (spawner.perform, spawn_and_join):
        # The threads of process workers, which earlier tests may have left, leave something now and then.
        assert 0 in [await left_by(perform) for _ in range(3)]


@in_loop
async def test_its_own_cancelled_error_fails_it():
    async def f():
        raise asyncio.CancelledError

    with pytest.raises(WorkerFailed):
        await InProcSpawner(f).perform(make_ctx())
