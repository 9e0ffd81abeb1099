"""`concurrency` and `rate_limit` in an engine: across runs, with deadlines, cancels and a second process life."""

from __future__ import annotations

import asyncio

import pytest
from tests.engines import Agents, blueprint, path, step

from skep import Engine
from skep.errors import RunFailed
from skep.testing.aio import in_loop
from skep.testing.clock import FakeClock


def lanes(agent, **fields):
    flow = {
        "kind": "fanout",
        "items": path("$.items"),
        "bind": path("$.item"),
        "body": step(agent, "$.item"),
        "join": "all",
        "select": path("$.out"),
        "out": path("$.out"),
    }
    return blueprint(flow, **fields)


def with_layer(key, **options):
    return {"spawner_hints": {"layers": [{key: options}]}}


async def turns(count=50):
    for _ in range(count):
        await asyncio.sleep(0)


@in_loop
async def test_two_runs_share_the_slots_of_an_agent():
    async with Engine.open() as engine:
        running, peak, release = 0, 0, asyncio.Event()

        @engine.agent("work")
        async def work(inv):
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            await release.wait()
            running -= 1
            return inv.input

        plan = lanes("work", **with_layer("concurrency", max=2))
        handles = [await engine.start(plan, {"items": [1, 2, 3]}) for _ in range(2)]
        await turns()
        assert running == 2
        release.set()
        results = [(await handle.result())["out"] for handle in handles]
        assert results == [[1, 2, 3], [1, 2, 3]]
        assert peak == 2


@in_loop
async def test_a_deadline_and_a_cancel_take_attempts_out_of_the_line():
    clock = FakeClock()
    async with Engine.open(clock=clock) as engine:
        agents = Agents(engine)
        hint = with_layer("concurrency", max=1)
        first = await engine.start(blueprint(step("gate"), **hint), {})
        await agents.started.wait()
        late = await engine.start(blueprint(step("gate", timeout=5), **hint), {})
        cancelled = await engine.start(blueprint(step("gate"), **hint), {})
        await turns()
        await cancelled.cancel()
        clock.advance(5_000)
        with pytest.raises(RunFailed, match="no result within 5 s"):
            await late.result()
        with pytest.raises(RunFailed, match="cancelled"):
            await cancelled.result()
        agents.release.set()
        assert (await first.result())["out"] == "passed"
        assert sum(agents.calls.values()) == 1


@in_loop
async def test_the_engine_closes_over_a_line_and_the_next_one_goes_on(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    async with Engine.open(url) as engine:
        agents = Agents(engine)
        plan = lanes("gate", **with_layer("concurrency", max=1))
        run_id = (await engine.start(plan, {"items": [1, 2, 3]})).id
        await agents.started.wait()
    async with Engine.open(url, recover="none") as engine:
        agents = Agents(engine)
        agents.release.set()
        handle = await engine.resume_run(run_id)
        assert (await handle.result())["out"] == ["passed"] * 3


@in_loop
async def test_a_rate_holds_across_the_lanes_of_a_run():
    clock = FakeClock()
    async with Engine.open(clock=clock) as engine:
        agents = Agents(engine)
        plan = lanes("echo", **with_layer("rate_limit", per_second=2, burst=2))
        handle = await engine.start(plan, {"items": [1, 2, 3, 4]})
        await turns()
        assert sum(agents.calls.values()) == 2
        for passed in (3, 4):
            clock.advance(500)
            await turns()
            assert sum(agents.calls.values()) == passed
        assert (await handle.result())["out"] == [1, 2, 3, 4]
