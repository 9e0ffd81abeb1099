"""The untrusted profile behind the port `Runner`, and a process that dies, stops or is cancelled in a call."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skep.errors import (
    BadValue,
    ConfigError,
    ConversionError,
    LimitExceeded,
    LuaError,
    LuaProcessFailed,
    PoolExhausted,
    WorkerCancelled,
)
from skep.lua.isolation.pool import ChildPool
from skep.lua.isolation.runner import ChildRunner
from skep.lua.limits import Limits
from skep.lua.runner import Runner, Script
from skep.testing.aio import run
from skep.workers.cancel import CancelToken

BUSY = Script("string.find(('a'):rep(5000), '.-.-.-b')", "busy.lua")


def using(use, limits: Limits | None = None, **more):
    async def inside():
        pool = ChildPool(limits or Limits(), **more)
        try:
            return await use(pool, ChildRunner(pool, "somebody"))
        finally:
            await pool.shutdown()

    return run(inside(), timeout=60)


async def in_call(pool: ChildPool):
    """The process that serves a call, once it does."""
    while not pool._busy:
        await asyncio.sleep(0)
    (child,) = pool._busy
    return child


def test_hook_and_run_with_values_host_functions_and_variables():
    async def use(_pool: ChildPool, runner: Runner):
        asked: list[object] = []

        def lookup(value):
            asked.append(value)
            return {"n": value["n"] + 1, "list": [], "none": None}

        hook = Script(
            "local calls = 0 return function(a, b) calls = calls + 1 return {b, calls, a or null} end"
        )
        return [
            await runner.hook(hook, {"x": [1, 2.5, None, "é"]}, [True]),
            await runner.hook(hook, None, {}),
            await runner.run(
                Script("return host.lookup{n = start}.n"), {"start": 4}, host={"lookup": lookup}
            ),
            asked,
        ]

    assert using(use) == [[[True], 1, {"x": [1, 2.5, None, "é"]}], [{}, 1, None], 5, [{"n": 4}]]


def test_what_a_host_function_raises_is_text_that_pcall_matches():
    def refuse(_value: object) -> object:
        raise ValueError("the quota of agent-7 is used up")

    source = "local ok, e = pcall(host.refuse, 1) return {ok, e:match('agent%-%d')}"

    async def use(_pool: ChildPool, runner: Runner):
        with pytest.raises(LuaError, match="quota of agent-7"):
            await runner.run(Script("return host.refuse(1)"), {}, host={"refuse": refuse})
        with pytest.raises(LuaError, match="nan is not a JSON number"):
            await runner.run(Script("return host.odd(1)"), {}, host={"odd": lambda _: float("nan")})
        return await runner.run(Script(source), {}, host={"refuse": refuse})

    assert using(use) == [False, "agent-7"]


def test_errors_keep_script_line_and_traceback():
    async def use(pool: ChildPool, runner: Runner):
        with pytest.raises(LuaError) as caught:
            await runner.run(Script("local x = 1\nerror('no such seat')", "gate.lua"), {})
        with pytest.raises(ConversionError):
            await runner.run(Script("return {f = print}"), {})
        assert pool.stats["idle"] == 1, "a script's own fault costs it no process"
        return caught.value

    error = using(use)
    assert (error.script, error.line) == ("gate.lua", 2)
    assert "no such seat" in error.what
    assert "gate.lua:2" in error.traceback


def test_what_cannot_go_in_is_refused_before_a_process_has_it():
    async def use(pool: ChildPool, runner: Runner):
        with pytest.raises(BadValue, match="arguments"):
            await runner.hook(Script("return print"), float("inf"))
        with pytest.raises(LimitExceeded, match="source"):
            await runner.run(Script("-" * 2_000), {})
        return pool.stats

    assert using(use, Limits(source=1_000)) == {"busy": 0, "idle": 0, "waiting": 0}


@pytest.mark.parametrize(
    "bad", [{"limits": Limits(wall=float("inf"))}, {"max_size": 0}], ids=["no wall", "no place"]
)
def test_a_pool_that_could_not_keep_its_promise_is_refused(bad):
    with pytest.raises(ConfigError):
        ChildPool(**bad)


def test_a_process_that_is_killed_in_a_call_fails_it_and_the_next_call_has_another():
    async def use(pool: ChildPool, runner: Runner):
        await pool.warm()
        call = asyncio.create_task(runner.run(BUSY, {}))
        child = await in_call(pool)
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(LuaProcessFailed, match="ended"):
            await call
        return await runner.run(Script("return 'next'"), {})

    assert using(use) == "next"


def test_a_process_that_is_stopped_in_a_call_meets_the_wall_limit():
    async def use(pool: ChildPool, runner: Runner):
        await pool.warm()
        call = asyncio.create_task(runner.run(BUSY, {}))
        child = await in_call(pool)
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(LimitExceeded, match=r"busy\.lua: limit wall"):
            await call
        await child.gone
        return await runner.run(Script("return 'next'"), {})

    assert using(use, Limits(wall=0.2)) == "next"


@pytest.mark.parametrize("source", [BUSY.source, "while true do pcall(function() while true do end end) end"])
def test_cancel_ends_a_busy_call_at_once(source):
    async def use(pool: ChildPool, runner: Runner):
        await pool.warm()
        cancel = CancelToken()
        call = asyncio.create_task(runner.run(Script(source), {}, cancel=cancel))
        child = await in_call(pool)
        cancel.cancel("the run was cancelled")
        with pytest.raises(WorkerCancelled, match="the run was cancelled"):
            await call
        await child.gone
        with pytest.raises(WorkerCancelled):
            await runner.run(Script("return 1"), {}, cancel=cancel)
        return await runner.run(Script("return 'next'"), {})

    assert using(use) == "next"


def test_a_pool_of_one_serves_two_hooks_at_once_one_after_the_other():
    async def use(_pool: ChildPool, runner: Runner):
        hook = Script("return function(x) return x * 2 end")
        return await asyncio.gather(*(runner.hook(hook, number) for number in range(50)))

    assert using(use, max_size=1) == [number * 2 for number in range(50)]


def test_cancel_ends_the_wait_for_a_process_at_once_and_nobody_is_left_in_the_line():
    async def use(pool: ChildPool, runner: Runner):
        cancel = CancelToken()
        async with pool.process("somebody"):
            waiting = asyncio.create_task(runner.hook(Script("return print"), cancel=cancel))
            while not pool.stats["waiting"]:
                await asyncio.sleep(0)
            cancel.cancel("enough")
            with pytest.raises(WorkerCancelled, match="enough"):
                await asyncio.wait_for(waiting, 5)
            late = asyncio.create_task(runner.hook(Script("return print")))
            while not pool.stats["waiting"]:
                await asyncio.sleep(0)
            late.cancel()
            with pytest.raises(asyncio.CancelledError):
                await late
            assert pool.stats == {"busy": 1, "idle": 0, "waiting": 0}
        assert await runner.hook(Script("return function() return 1 end")) == 1

    using(use, max_size=1)


@pytest.mark.parametrize("end", ["shutdown", "forget"])
def test_a_call_whose_pool_ends_its_process_fails_at_once_and_says_so(end):
    async def use(pool: ChildPool, runner: Runner):
        call = asyncio.create_task(runner.run(BUSY, {}))
        await in_call(pool)
        await asyncio.sleep(0)
        await (pool.shutdown() if end == "shutdown" else runner.close())
        with pytest.raises(LuaProcessFailed, match="has ended"):
            await asyncio.wait_for(call, 5)

    using(use)


def test_a_process_that_is_handed_over_while_the_pool_closes_serves_nobody():
    async def use(pool: ChildPool, runner: Runner):
        async with pool.process("somebody"):
            waiting = asyncio.create_task(runner.hook(Script("return function() return 1 end")))
            while not pool.stats["waiting"]:
                await asyncio.sleep(0)
        await pool.shutdown()
        with pytest.raises(LuaProcessFailed, match="closed"):
            await waiting
        assert pool.stats == {"busy": 0, "idle": 0, "waiting": 0}

    using(use, max_size=1)


def test_a_process_for_which_everybody_waits_too_long_is_a_named_error():
    async def use(pool: ChildPool, runner: Runner):
        await pool.warm()
        call = asyncio.create_task(runner.run(BUSY, {}))
        await in_call(pool)
        with pytest.raises(PoolExhausted, match="none of 1"):
            await runner.run(Script("return 1"), {})
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    using(use, max_size=1, timeout=0.05)


HOST = """
import asyncio, os, sys
from skep.lua.isolation.pool import ChildPool
from skep.lua.isolation.runner import ChildRunner
from skep.lua.runner import Script

async def main():
    pool = ChildPool()
    await ChildRunner(pool, "idle").run(Script("return 1"), {})
    await pool.warm()
    call = asyncio.create_task(ChildRunner(pool, "busy").run(Script(sys.argv[1]), {}))
    while not pool._busy:
        await asyncio.sleep(0)
    await pool.warm()
    if os.fork() == 0:  # a fork of the host that outlives it must not keep them alive
        os.close(1)
        os.read(0, 1)
        os._exit(0)
    children = [*pool._busy, *pool._idle, pool._spare._next.result()]
    print(*(child.pid for child in children), flush=True)
    await call

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells of their end")
def test_a_host_that_is_killed_leaves_no_process_not_even_a_busy_one():
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, BUSY.source], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert host.stdout is not None
    assert host.stdin is not None
    pids = [int(pid) for pid in host.stdout.readline().split()]
    assert len(pids) == 3
    watched = [os.pidfd_open(pid) for pid in pids]
    host.kill()
    host.wait()
    try:
        for descriptor in watched:
            assert run(ended(descriptor), timeout=5) is None
    finally:
        for descriptor in watched:
            os.close(descriptor)
        host.stdin.close()
        host.stdout.close()


async def ended(descriptor: int) -> None:
    gone = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(descriptor, lambda: gone.done() or gone.set_result(None))
    await gone


def test_nothing_is_left_of_a_pool_that_was_shut_down():
    async def use():
        before = descriptors()
        pool = ChildPool()
        children = []
        for principal in "abcdef":
            await ChildRunner(pool, principal).run(Script("return 1"), {})
            children += pool._idle
        await pool.shutdown()
        return before, descriptors(), {child.gone.done() for child in children}

    before, after, gone = run(use())
    assert before == after
    assert gone == {True}


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir())) if Path("/dev/fd").is_dir() else 0
