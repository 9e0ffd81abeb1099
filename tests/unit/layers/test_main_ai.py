from __future__ import annotations

import asyncio

import pytest
from tests.unit.layers.bench import Bench, settle

from skep.core.outputs import FileRef, Final, final
from skep.errors import RejectedByMiddleware, WorkerCancelled, WorkerFailed
from skep.layers.main_ai import MainAi
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.backends import OperatorInfo


class Hook:
    def __init__(self):
        self.seen = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error = None

    async def before(self, ctx):
        self.seen.append("before")
        await self.gate.wait()
        if self.error is not None:
            raise self.error

    async def after(self, ctx, value):
        self.seen.append(value)
        await self.gate.wait()


def hooked(hook, kind="main_ai"):
    attempt = FakeAttempt()
    return attempt, make_ctx(1, channel=attempt, operator=OperatorInfo(kind=kind, spawn_hook=hook))


async def end(bench, worker, outcome=None):
    bench.end(1, outcome)
    await worker.join()


@in_loop
async def test_a_file_is_null_to_the_hook_and_so_is_no_result():
    for output in (Final(FileRef("a.txt")), None):
        hook, bench = Hook(), Bench()
        attempt, ctx = hooked(hook)
        worker = await MainAi()(bench).spawn(ctx)
        if output is not None:
            attempt.emit(output)
        await end(bench, worker)
        assert hook.seen == ["before", None]


@in_loop
async def test_the_hook_sees_the_last_result_of_a_closed_attempt():
    hook, bench = Hook(), Bench()
    attempt, ctx = hooked(hook)
    worker = await MainAi()(bench).spawn(ctx)
    attempt.emit(final(1))
    attempt.emit(final(2))
    await end(bench, worker)
    assert hook.seen[1] == 2
    assert attempt.closed


@in_loop
async def test_a_failed_worker_stays_failed():
    hook, bench = Hook(), Bench()
    _, ctx = hooked(hook)
    worker = await MainAi()(bench).spawn(ctx)
    with pytest.raises(WorkerFailed, match="broke"):
        await end(bench, worker, WorkerFailed("broke"))
    assert hook.seen[1] == "broke"


@in_loop
async def test_a_refusal_starts_nothing():
    hook, bench = Hook(), Bench()
    hook.error = ValueError("no")
    with pytest.raises(
        RejectedByMiddleware, match=r"^spawn rejected by middleware: main_ai before: ValueError: no"
    ):
        await MainAi()(bench).spawn(hooked(hook)[1])
    assert bench.started == []


@in_loop
async def test_cancel_ends_the_wait_for_the_hook():
    hook, bench = Hook(), Bench()
    hook.gate.clear()
    _, ctx = hooked(hook)
    spawning = asyncio.get_running_loop().create_task(MainAi()(bench).spawn(ctx))
    await settle()
    ctx.cancel_token.cancel()
    with pytest.raises(WorkerCancelled):
        await spawning
    with pytest.raises(WorkerCancelled):  # and one that was told before does not ask
        await MainAi()(bench).spawn(ctx)
    assert hook.seen == ["before"]
    assert bench.started == []


@in_loop
async def test_cancel_ends_the_wait_for_the_hook_after_the_worker():
    hook, bench = Hook(), Bench()
    _, ctx = hooked(hook)
    worker = await MainAi()(bench).spawn(ctx)
    hook.gate.clear()
    bench.end(1)
    joining = asyncio.get_running_loop().create_task(worker.join())
    await settle()
    assert hook.seen == ["before", None]
    ctx.cancel_token.cancel()
    with pytest.raises(WorkerCancelled, match="cancelled in layer main_ai"):
        await joining


@in_loop
async def test_others_are_left_alone():
    for info in (OperatorInfo(kind="main_ai"), OperatorInfo(kind="automate", spawn_hook=Hook())):
        bench = Bench()
        worker = await MainAi()(bench).spawn(make_ctx(1, operator=info))
        await end(bench, worker)
        assert info.spawn_hook is None or info.spawn_hook.seen == []
