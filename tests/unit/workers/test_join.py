from __future__ import annotations

import asyncio

import pytest

from skep.errors import AlreadyJoined, WorkerCancelled, WorkerFailed
from skep.testing.aio import in_loop
from skep.workers.base import CancelToken, Completion, JoinHandler


def worker(completion):
    return JoinHandler("W-0000000000000001", CancelToken(), completion)


@in_loop
async def test_join_waits_and_raises_what_the_completion_says():
    for outcome in (WorkerFailed("bad"), WorkerCancelled("stop")):
        completion = Completion()
        joining = asyncio.ensure_future(worker(completion).join())
        await asyncio.sleep(0)
        assert not joining.done()
        assert completion.resolve(outcome)
        with pytest.raises(type(outcome), match=outcome.what):
            await joining


@in_loop
async def test_only_the_first_resolve_counts():
    completion = Completion()
    assert completion.resolve()
    assert not completion.resolve(WorkerFailed("late"))
    await worker(completion).join()


@in_loop
async def test_a_second_join_is_refused_also_while_the_first_waits():
    completion = Completion()
    handler = worker(completion)
    first = asyncio.ensure_future(handler.join())
    await asyncio.sleep(0)
    with pytest.raises(AlreadyJoined, match="W-0000000000000001"):
        await handler.join()
    completion.resolve()
    await first


@in_loop
async def test_a_cancelled_waiter_leaves_the_completion_alone():
    completion = Completion()
    waiting = asyncio.ensure_future(completion.wait())
    other = asyncio.ensure_future(completion.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert waiting.cancelled()
    assert not completion.resolved
    completion.resolve(WorkerFailed("bad"))
    assert (await other).what == "bad"


@in_loop
async def test_on_resolved_calls_back_and_later_in_the_next_turn():
    completion, heard = Completion(), []
    completion.on_resolved(lambda: heard.append(1))
    completion.on_resolved(lambda: heard.append(2))
    completion.resolve()
    assert heard == [1, 2]
    completion.on_resolved(lambda: heard.append(3))
    assert heard == [1, 2]
    await asyncio.sleep(0)
    assert heard == [1, 2, 3]


async def _returns(value):
    return value


async def _raises(error):
    raise error


async def _never():
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _raises(ValueError("bad")), "ValueError: bad"),
        (lambda: _raises(WorkerFailed("said no")), "said no"),
        (lambda: _raises(asyncio.CancelledError()), "worker completion channel closed"),
        (lambda: _raises(GeneratorExit()), "GeneratorExit"),
        (lambda: _returns(WorkerFailed("as a value")), "as a value"),
        (lambda: _returns(3), "resolved to int"),
    ],
)
def test_a_task_as_completion(make, message):
    @in_loop
    async def check():
        with pytest.raises(WorkerFailed, match=message):
            await worker(asyncio.ensure_future(make())).join()

    check()


@in_loop
async def test_a_task_that_vanishes_fails_the_join():
    task = asyncio.ensure_future(_never())
    handler = worker(task)
    joining = asyncio.ensure_future(handler.join())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(WorkerFailed, match="worker completion channel closed"):
        await joining


@in_loop
async def test_a_future_that_is_done_already():
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    await worker(future).join()
