"""A script's process that is not what it should be any more: whatever it sends costs it its life, and one call."""

from __future__ import annotations

import asyncio
import logging

import pytest

import lua_children
from skep.errors import LimitExceeded, LuaProcessFailed, SkepError, WorkerCancelled
from skep.lua.isolation.bounds import Bounds
from skep.lua.isolation.pool import ChildPool
from skep.lua.isolation.runner import ChildRunner
from skep.lua.limits import Limits
from skep.lua.runner import Script
from skep.testing.aio import in_loop
from skep.workers.cancel import CancelToken

LIMITS = Limits(wall=5, output=64 * 1024)
BRIEF = Limits(wall=0.3, output=64 * 1024)
SCRIPT = Script("return 1")


async def outcome(program: str, *, limits: Limits = LIMITS, bounds: Bounds | None = None) -> object:
    """What one call to such a process comes to; the process must be gone after it."""
    pool = ChildPool(limits, bounds or Bounds(host_calls=100), program=lua_children.program(program))
    try:
        return await ChildRunner(pool, "somebody").run(SCRIPT, {}, host={"add": sum})
    except SkepError as error:
        assert pool.stats == {"busy": 0, "idle": 0, "waiting": 0}
        return error
    finally:
        await pool.shutdown()


FORGERIES = {
    "oversized": "2,147,483,648 bytes was announced",
    "too_long_a_value": "bytes was announced, at most 131,072",
    "other_call": "a frame of call 2 during call 1",
    "unknown_host_function": "'os.execute', which no host function is",
    "wrong_number": "host call 7 came where 1 was due",
    "no_utf8": "no value",
    "no_json": "no message",
    "lone_surrogate": "no message",
    "infinite": "no value",
    "huge_integer": "no value",
    "deep": "no message",
    "more_fields": "no message",
    "wrong_type": "no message",
    "unknown_type": "no message",
    "host_message": "no message",
    "ready_again": "it said that it was ready, during a call",
    "twice": "it went on after its result",
    "begins_another": "went on after its result",
    "half_a_frame": "in the middle of a frame",
    "ends": "a script's process has ended",
}


@pytest.mark.parametrize("program", FORGERIES)
@in_loop
async def test_a_forged_frame_fails_its_call_and_ends_its_process(program):
    error = await outcome(program)
    assert isinstance(error, LuaProcessFailed), error
    assert FORGERIES[program] in str(error)
    assert len(str(error)) < 1_000


LIMITED = {
    "rather_deep": "max_value_depth",
    "asks_for_ever": "lua_host_calls",
    "prints_for_ever": "output",
    "trickles": "wall",
    "deaf": "wall",
}


@pytest.mark.parametrize("program", LIMITED)
@in_loop
async def test_what_never_ends_meets_a_limit(program):
    error = await outcome(program, limits=BRIEF if LIMITED[program] == "wall" else LIMITS)
    assert isinstance(error, LimitExceeded), error
    assert error.name == LIMITED[program]


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("mute", "not ready within 0.2 s"),
        ("broken", "cannot serve: RuntimeError: no Lua here"),
        ("absent", "has ended"),
    ],
)
@in_loop
async def test_a_process_that_does_not_come_up_is_named(program, told):
    error = await outcome(program, bounds=Bounds(start=0.2 if program == "mute" else 10))
    assert isinstance(error, LuaProcessFailed)
    assert told in str(error)


@in_loop
async def test_a_deaf_process_stops_nobody_from_sending_much():
    pool = ChildPool(BRIEF, program=lua_children.program("deaf"))
    try:
        with pytest.raises(LimitExceeded, match="wall"):
            await ChildRunner(pool, "somebody").hook(SCRIPT, "x" * 2**22)
    finally:
        await pool.shutdown()


@in_loop
async def test_a_frame_that_comes_when_nobody_asked_costs_no_other_call_its_result():
    pool = ChildPool(LIMITS, program=lua_children.program("late"))
    runner = ChildRunner(pool, "somebody")
    try:
        assert await runner.hook(SCRIPT) == "first"
        (child,) = pool._idle
        await child.gone
        assert await runner.hook(SCRIPT) == "first", "another process answered, not the forged frame"
    finally:
        await pool.shutdown()


@in_loop
async def test_a_process_serves_one_principal_only():
    pool = ChildPool(LIMITS, max_size=2, program=lua_children.program("echo"))
    try:
        mine = [await ChildRunner(pool, "me").hook(SCRIPT) for _ in range(3)]
        yours = await ChildRunner(pool, "you").hook(SCRIPT)
        third = await ChildRunner(pool, "somebody else").hook(SCRIPT)
        again = await ChildRunner(pool, "me").hook(SCRIPT)
    finally:
        await pool.shutdown()
    assert len(set(mine)) == 1, "it stays warm"
    assert len({mine[0], yours, third, again}) == 4, "the place was taken from it, and no process passed on"


@in_loop
async def test_waiting_is_fair_and_bounded():
    pool = ChildPool(LIMITS, max_size=1, max_waiting=6, program=lua_children.program("echo"))
    order: list[str] = []

    async def call(principal: str) -> int:
        pid = await ChildRunner(pool, principal).hook(SCRIPT)
        order.append(principal)
        return pid

    try:
        calls = [asyncio.create_task(call(name)) for name in "aabbcab"]
        await asyncio.sleep(0)
        with pytest.raises(SkepError, match="6 calls wait"):
            await call("z")
        pids = await asyncio.gather(*calls)
        assert order == list("aabbcab")
        assert pids[0] == pids[1]
        assert pids[2] == pids[3]
        assert len(set(pids)) == 5
        assert pool.stats == {"busy": 0, "idle": 1, "waiting": 0}
    finally:
        await pool.shutdown()


@in_loop
async def test_who_waits_too_long_or_goes_away_leaves_no_gap():
    pool = ChildPool(Limits(wall=5), max_size=1, timeout=0.05, program=lua_children.program("deaf"))
    cancel = CancelToken()
    runner = ChildRunner(pool, "somebody")
    try:
        await pool.warm()
        holder = asyncio.create_task(runner.hook(SCRIPT, cancel=cancel))
        while not pool.stats["busy"]:
            await asyncio.sleep(0)
        with pytest.raises(SkepError, match="free within"):
            await runner.hook(SCRIPT)
        waiter = asyncio.create_task(runner.hook(SCRIPT))
        await asyncio.sleep(0)
        waiter.cancel()
        cancel.cancel("enough")
        with pytest.raises(WorkerCancelled, match="enough"):
            await holder
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert pool.stats == {"busy": 0, "idle": 0, "waiting": 0}
        assert pool._places == 0
    finally:
        await pool.shutdown()


@in_loop
async def test_a_call_whose_task_is_cancelled_ends_its_process():
    pool = ChildPool(Limits(wall=5), program=lua_children.program("deaf"))
    try:
        await pool.warm()
        call = asyncio.create_task(ChildRunner(pool, "somebody").hook(SCRIPT))
        while not pool.stats["busy"]:
            await asyncio.sleep(0)
        (child,) = pool._busy
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(child.gone, 5)
        assert pool._places == 0
    finally:
        await pool.shutdown()


@in_loop
async def test_a_worn_process_is_replaced_before_its_cpu_limit_meets_a_call():
    pool = ChildPool(LIMITS, Bounds(cpu=8), program=lua_children.program("echo"))
    runner = ChildRunner(pool, "somebody")
    try:
        first = await runner.hook(SCRIPT)
        assert await runner.hook(SCRIPT) == first
        (child,) = pool._idle
        child._busy = 10.0
        await runner.hook(SCRIPT)
        assert await runner.hook(SCRIPT) != first
    finally:
        await pool.shutdown()


@in_loop
async def test_nothing_can_be_called_after_the_shutdown():
    pool = ChildPool(LIMITS, program=lua_children.program("echo"))
    runner = ChildRunner(pool, "somebody")
    await pool.warm()
    await runner.hook(SCRIPT)
    (child,) = pool._idle
    await pool.shutdown()
    assert child.gone.done()
    with pytest.raises(LuaProcessFailed, match="closed"):
        await runner.hook(SCRIPT)


@in_loop
async def test_closing_a_runner_ends_its_processes_and_no_others():
    pool = ChildPool(LIMITS, program=lua_children.program("echo"))
    mine, yours = ChildRunner(pool, "me"), ChildRunner(pool, "you")
    try:
        pids = [await mine.hook(SCRIPT), await yours.hook(SCRIPT)]
        await mine.close()
        assert await yours.hook(SCRIPT) == pids[1]
        assert await mine.hook(SCRIPT) != pids[0]
    finally:
        await pool.shutdown()


@in_loop
async def test_what_a_script_prints_is_logged(caplog):
    caplog.set_level(logging.INFO, "skep.lua")
    await outcome("prints_for_ever")
    assert {record.getMessage() for record in caplog.records} == {"x" * 1_000}
    assert len(caplog.records) < 65
