"""Lua in this process: a fresh VM, and what a before and an after hook on a warm VM cost together.

`inline` calls on the loop's thread, `thread` in a worker thread; medians, those of the hooks over rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from probe import report, require

from skep.lua.pool import LuaPool
from skep.lua.pooled import PooledRunner, Where
from skep.lua.runner import Script
from skep.lua.vm import LuaVM

BEFORE = Script("return function(ctx) if ctx.attempt > 3 then error('no') end end", "before.lua")
AFTER = Script("return function(ctx, out) return {value = {seen = out.value}, ok = out.ok} end", "after.lua")
CTX = {
    "task_id": "T-0123456789abcdef01234567",
    "attempt": 1,
    "agent": "writer",
    "run_id": "run-0123456789abcdef01234567",
    "operator": {"kind": "Automate", "kind_name": "automate", "id": None},
    "meta": {},
}
OUT = {"value": {"text": "a result of the usual size", "score": 7}, "ok": True}
ROUND = 20


def vm_us(count: int) -> float:
    def once() -> float:
        start = time.perf_counter()
        vm = LuaVM()
        seconds = time.perf_counter() - start
        vm.close()
        return seconds

    return statistics.median(once() for _ in range(count)) * 1e6


def vm_kib(count: int) -> float:
    vms = [LuaVM() for _ in range(count)]
    for vm in vms:
        vm.run(Script("collectgarbage() collectgarbage()"))
    return max(vm.memory for vm in vms) / 1024


async def hooks_us(where: Where, count: int) -> float:
    runner = PooledRunner(LuaPool(), where)

    async def both() -> object:
        await runner.hook(BEFORE, CTX)
        return await runner.hook(AFTER, CTX, OUT)

    require(await both() == {"value": {"seen": OUT["value"]}, "ok": True}, "the hooks did not run")
    rounds: list[float] = []
    for _ in range(count // ROUND):
        start = time.perf_counter()
        for _ in range(ROUND):
            await both()
        rounds.append((time.perf_counter() - start) / ROUND)
    await runner.close()
    return statistics.median(rounds) * 1e6


async def run(count: int) -> None:
    report(
        vm_us=vm_us(count),
        vm_kib=vm_kib(20),
        inline_us=await hooks_us("inline", count),
        thread_us=await hooks_us("thread", count),
    )


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
