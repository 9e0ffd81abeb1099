"""The runner for trusted scripts keeps the port's promises, on the loop's thread and in threads."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from skep.errors import ConversionError, LimitExceeded, LuaError, PoolExhausted, WorkerCancelled
from skep.limits import Limits as EngineLimits
from skep.lua import pooled
from skep.lua.limits import Limits
from skep.lua.pool import LuaPool
from skep.lua.pooled import PooledRunner
from skep.lua.runner import Script
from skep.testing.aio import in_loop
from skep.workers.cancel import CancelToken
from skep.workers.threads import ThreadPool

FOREVER = Script("while true do pcall(error) end", "forever")

where = pytest.mark.parametrize("where", ["inline", "thread"])


def runner(where, size=1, **limits):
    return PooledRunner(LuaPool(size, limits=Limits(**limits)), where)


@where
def test_a_hook_and_a_run(where):
    @in_loop
    async def test():
        made = runner(where)
        hook = Script("return function(a, b) return {a = a, b = b} end")
        assert await made.hook(hook, 1, [2]) == {"a": 1, "b": [2]}
        host = {"where": lambda _: threading.current_thread() is threading.main_thread()}
        assert await made.run(Script("return {v, host.where()}"), {"v": 3}, host=host) == [
            3,
            where == "inline",
        ]
        await made.close()
        with pytest.raises(PoolExhausted):
            await made.hook(hook)

    test()


@where
def test_each_failure_has_its_error_and_the_next_call_works(where):
    @in_loop
    async def test():
        made = runner(where, wall=0.05)
        for script, kind in [
            (Script("error('x')"), LuaError),
            (Script("return ("), LuaError),
            (Script("return print"), ConversionError),
            (FOREVER, LimitExceeded),
            (Script("string.rep('x', 1 << 40)"), LimitExceeded),
        ]:
            with pytest.raises(kind):
                await made.run(script, {})
            assert await made.run(Script("return 1"), {}) == 1

    test()


@where
def test_who_is_cancelled_already_does_not_begin(where):
    @in_loop
    async def test():
        token = CancelToken()
        token.cancel("gone")
        with pytest.raises(WorkerCancelled, match="gone"):
            await runner(where).run(FOREVER, {}, cancel=token)

    test()


@in_loop
async def test_an_inline_call_holds_the_loop_no_longer_than_its_wall_limit():
    began = time.monotonic()
    with pytest.raises(LimitExceeded, match="wall"):
        await runner("inline", wall=0.05).run(FOREVER, {})
    assert time.monotonic() - began < 1


@in_loop
async def test_a_busy_loop_in_a_thread_leaves_the_event_loop_free_and_a_cancel_ends_it():
    made, token = runner("thread"), CancelToken()
    task = asyncio.create_task(made.run(FOREVER, {}, cancel=token))
    for _ in range(20):
        await asyncio.sleep(0.001)
    token.cancel("enough")
    began = time.monotonic()
    with pytest.raises(WorkerCancelled, match="enough"):
        await task
    assert time.monotonic() - began < 0.9
    assert await made.run(Script("return 1"), {}) == 1


@in_loop
async def test_a_task_that_is_cancelled_ends_its_script():
    threads = ThreadPool(EngineLimits())
    made = PooledRunner(LuaPool(1), "thread", threads=threads)
    task = asyncio.create_task(made.run(FOREVER, {}))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await made.run(Script("return 1"), {}) == 1
    while threads.abandoned:
        await asyncio.sleep(0.001)


@in_loop
async def test_two_hooks_at_once_on_a_pool_of_one_take_turns():
    made = runner("thread")
    script = Script("return function(v) for i = 1, 10000 do end return v end")
    assert await asyncio.gather(made.hook(script, 1), made.hook(script, 2)) == [1, 2]


@in_loop
async def test_a_script_stuck_in_c_is_left_behind_and_its_place_is_free(monkeypatch):
    monkeypatch.setattr(pooled, "GRACE", 0.05)
    release = threading.Event()
    threads = ThreadPool(EngineLimits())
    made = PooledRunner(LuaPool(1, limits=Limits(wall=0.05)), "thread", threads=threads)
    stuck = {"wait": lambda _: release.wait(20)}  # as a C function: no hook fires in it
    with pytest.raises(LimitExceeded, match="wall"):
        await made.run(Script("host.wait()"), {}, host=stuck)
    assert threads.abandoned == 1
    assert await made.run(Script("return 1"), {}) == 1
    token = CancelToken()
    task = asyncio.create_task(made.run(Script("host.wait()"), {}, host=stuck, cancel=token))
    await asyncio.sleep(0.01)
    token.cancel("enough")
    with pytest.raises(WorkerCancelled, match="enough"):
        await task
    release.set()
    while threads.abandoned:
        await asyncio.sleep(0.001)
    assert await made.run(Script("return 2"), {}) == 2


@in_loop
async def test_a_full_pool_says_so():
    made = PooledRunner(LuaPool(1), "thread", checkout=0.01)
    task = asyncio.create_task(made.run(FOREVER, {}))
    await asyncio.sleep(0.005)
    with pytest.raises(PoolExhausted):
        await made.run(Script("return 1"), {})
    task.cancel()
    await asyncio.wait({task})
