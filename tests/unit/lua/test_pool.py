"""The pool: bounded, first come first served, warm or cold, and nothing of a bad VM comes back."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from skep.errors import ConfigError, LimitExceeded, LuaError, PoolExhausted, WorkerCancelled
from skep.lua.limits import Limits
from skep.lua.pool import LuaPool, Strategy
from skep.lua.runner import Script
from skep.lua.vm import LuaVM
from skep.testing.aio import in_loop
from skep.workers.cancel import CancelToken

COUNT = Script("n = (n or 0) + 1 return n")


async def use(pool, script=COUNT):
    with await pool.checkout() as vm:
        return vm.run(script)


@in_loop
async def test_a_warm_vm_is_used_again_and_a_cold_one_is_not():
    warm, cold = LuaPool(1), LuaPool(1, Strategy.COLD)
    assert [await use(warm) for _ in range(3)] == [1, 2, 3]
    assert [await use(cold) for _ in range(3)] == [1, 1, 1]


@in_loop
async def test_init_runs_once_in_every_new_vm():
    made = []

    def init(vm):
        made.append(vm)
        vm.define("answer", lambda _: 42)

    script = Script("return answer()")
    warm, cold = LuaPool(1, init=init), LuaPool(1, Strategy.COLD, init)
    assert [await use(warm, script) for _ in range(3)] == [42] * 3
    assert len(made) == 1
    assert [await use(cold, script) for _ in range(3)] == [42] * 3
    assert len(made) == 4
    assert await use(LuaPool(init="n = 10")) == 11


@in_loop
async def test_an_init_that_fails_is_raised_and_costs_no_place():
    pool = LuaPool(1, init="error('no')")
    for _ in range(3):
        with pytest.raises(LuaError, match="init:1: no"):
            await use(pool)
    assert pool.in_use == 0


@in_loop
async def test_a_vm_that_passed_a_limit_or_was_killed_does_not_come_back():
    pool = LuaPool(1, limits=Limits(instructions=10_000))
    await use(pool)
    with pytest.raises(LimitExceeded):
        await use(pool, Script("while true do end"))
    assert await use(pool) == 1
    lease = await pool.checkout()
    lease.vm.run(COUNT)
    lease.kill()
    lease.kill()
    lease.release()
    assert pool.in_use == 0
    assert await use(pool) == 1


@in_loop
async def test_a_failed_script_leaves_a_warm_vm_as_it_is():
    pool = LuaPool(1)
    await use(pool)
    with pytest.raises(LuaError):
        await use(pool, Script("error('x')"))
    assert await use(pool) == 2


@in_loop
async def test_who_waits_longest_is_next_and_nobody_passes():
    pool, order = LuaPool(1), []
    lease = await pool.checkout()
    assert pool.try_checkout() is None

    async def turn(name):
        with await pool.checkout() as vm:
            vm.run(COUNT)
            order.append(name)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(turn(name)) for name in range(100)]
    await asyncio.sleep(0)
    lease.release()
    assert pool.try_checkout() is None
    await asyncio.gather(*tasks)
    assert order == list(range(100))
    assert pool.in_use == 0


@in_loop
async def test_a_thousand_callers_share_four_vms():
    made = []
    pool = LuaPool(4, init=made.append)
    counts = await asyncio.gather(*(use(pool) for _ in range(1_000)))
    assert len(made) <= 4
    assert len(counts) == 1_000
    assert pool.in_use == 0


@in_loop
async def test_waiting_ends_with_a_named_error():
    pool = LuaPool(1, max_waiting=2)
    lease = await pool.checkout()
    with pytest.raises(PoolExhausted, match=r"free in 0\.01 s"):
        await pool.checkout(0.01)
    waiting = [asyncio.create_task(pool.checkout()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(PoolExhausted, match="2 callers wait"):
        await pool.checkout()
    token = CancelToken()
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    third = asyncio.create_task(pool.checkout(cancel=token))
    await asyncio.sleep(0)
    token.cancel("enough")
    with pytest.raises(WorkerCancelled, match="enough"):
        await third
    lease.release()
    (await waiting[1]).release()
    assert pool.in_use == 0


@in_loop
async def test_a_place_handed_to_somebody_who_just_left_is_handed_on():
    pool = LuaPool(1)
    lease = await pool.checkout()
    first, second = (asyncio.create_task(pool.checkout()) for _ in range(2))
    await asyncio.sleep(0)
    lease.release()
    first.cancel()
    (await second).release()
    assert first.cancelled()
    assert pool.in_use == 0


@in_loop
async def test_shutdown_turns_everybody_away():
    pool = LuaPool(1)
    lease = await pool.checkout()
    vm = lease.vm
    waiting = asyncio.create_task(pool.checkout())
    await asyncio.sleep(0)
    pool.shutdown()
    pool.shutdown()
    for attempt in (waiting, pool.checkout()):
        with pytest.raises(PoolExhausted, match="shut down"):
            await attempt
    with pytest.raises(PoolExhausted, match="shut down"):
        pool.try_checkout()
    assert vm.run(COUNT) == 1
    lease.release()
    assert not vm.usable


def test_several_loops_in_threads_may_share_a_pool():
    pool, seen = LuaPool(2), []

    def in_thread():
        async def many():
            seen.extend(await asyncio.gather(*(use(pool) for _ in range(50))))

        asyncio.run(many())

    threads = [threading.Thread(target=in_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(seen) == 200
    assert pool.in_use == 0


def test_a_loop_that_was_closed_while_it_waited_loses_no_place():
    pool = LuaPool(1)
    lease = pool.try_checkout()

    async def wait():
        await asyncio.wait({asyncio.ensure_future(pool.checkout())}, timeout=0)

    asyncio.run(wait())
    lease.release()
    assert pool.in_use == 0
    assert pool.try_checkout() is not None


def test_a_pool_of_nothing_is_refused():
    with pytest.raises(ConfigError):
        LuaPool(0)


@in_loop
async def test_cold_vms_are_freed():
    pool = LuaPool(1, Strategy.COLD)
    for _ in range(50):
        await use(pool)
    gc.collect()
    assert sum(isinstance(thing, LuaVM) for thing in gc.get_objects()) < 50
