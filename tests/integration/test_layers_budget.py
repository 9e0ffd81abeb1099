"""`budget` in an engine: what stops a run, and what of it outlives the process."""

from __future__ import annotations

import asyncio

import pytest
from tests.engines import Agents, blueprint, path, step
from tests.integration.test_layers_waiting import lanes, with_layer

from skep import Engine
from skep.core.events import TaskAttemptStarted
from skep.core.retry import RetryPolicy
from skep.errors import RunFailed
from skep.testing.aio import in_loop


def spender(engine, tokens, *, wait_for=None, **options):
    calls = []

    @engine.agent("spend", **options)
    async def spend(inv):
        calls.append(inv.input)
        inv.artifact("usage", {"tokens": tokens})
        if wait_for is not None:
            await wait_for()
        return inv.input

    return calls


@in_loop
async def test_a_budget_stops_the_run_with_its_code_and_no_retry_follows():
    async with Engine.open() as engine:
        calls = spender(engine, 400, retry=RetryPolicy(max_attempts=5))
        budget = with_layer("budget", tokens=1_000, reserve={"tokens": 400})
        handle = await engine.start(blueprint([step("spend")] * 3, **budget), {})
        with pytest.raises(RunFailed, match="budget_exhausted: tokens: 800 of 1000 spent") as failed:
            await handle.result()
        assert failed.value.error["code"] == "E-BUDGET-EXHAUSTED"
        assert len(calls) == 2
        log = await engine.ledger.journal.read(f"run:{handle.id}")
        attempts = [recorded for recorded in log if isinstance(recorded.event, TaskAttemptStarted)]
        assert len(attempts) == 3


@in_loop
async def test_parallel_lanes_do_not_overspend_together():
    async with Engine.open() as engine:
        calls = spender(engine, 100, wait_for=lambda: asyncio.sleep(0))
        plan = lanes("spend", **with_layer("budget", tokens=1_000, reserve={"tokens": 100}))
        handle = await engine.start(plan, {"items": list(range(20))})
        with pytest.raises(RunFailed, match="budget_exhausted"):
            await handle.result()
        assert len(calls) == 10


@in_loop
async def test_losers_of_a_race_are_settled_with_what_they_took():
    async with Engine.open() as engine:
        begun = asyncio.Event()

        @engine.agent("lose")
        async def lose(inv):
            inv.artifact("usage", {"tokens": 30})
            begun.set()
            await asyncio.Event().wait()

        @engine.agent("win")
        async def win(inv):
            await begun.wait()
            inv.artifact("usage", {"tokens": 5})

        agents = Agents(engine)
        race = {
            "kind": "parallel",
            "branches": {"a": step("win", "$.n"), "b": step("lose", "$.n")},
            "join": "race",
            "out": path("$.won"),
        }
        plan = blueprint([race, step("gate")], **with_layer("budget", tokens=1_000, reserve={"tokens": 100}))
        handle = await engine.start(plan, {"n": 1})
        await agents.started.wait()
        account = engine.ledger.state.runs[handle.id].account
        assert (account.settled.attempts, account.settled.tokens) == (2, 35)
        assert [entry.reserved.tokens for entry in account.entries.values()] == [100]
        agents.release.set()
        await handle.result()


@in_loop
async def test_what_was_spent_before_a_restart_still_counts(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    plan = blueprint(
        [step("spend", out="$.a"), step("gate"), step("spend", out="$.b")],
        **with_layer("budget", tokens=450, reserve={"tokens": 100}),
    )
    async with Engine.open(url) as engine:
        agents = Agents(engine)
        spender(engine, 300)
        run_id = (await engine.start(plan, {})).id
        await agents.started.wait()
    async with Engine.open(url, recover="none") as engine:
        agents = Agents(engine)
        agents.release.set()
        calls = spender(engine, 300)
        with pytest.raises(RunFailed, match="400 of 450 spent, an attempt reserves 100") as failed:
            # 300 by the first step, 100 that the interrupted attempt had reserved and did not account for
            await (await engine.resume_run(run_id)).result()
        assert failed.value.error["step"]
        assert calls == []


@in_loop
async def test_usage_that_a_program_prints_is_counted():
    printed = '{"result": 1, "usage": {"input_tokens": 40, "output_tokens": 20}, "total_cost_usd": 0.5}'
    program = {
        "name": "say",
        "argv": ["printf", "%s", printed],
        "output": {"format": "json", "result_ptr": "/result", "stats": {"usage_ptr": ""}},
    }
    agent = {"name": "say", "kind": "subprocess", "runner": {"backend": "subprocess", "template": "say"}}
    async with Engine.open() as engine:
        plan = blueprint(
            [step("say", out="$.a"), step("say", out="$.b")],
            agents=[agent],
            subprocesses=[program],
            **with_layer("budget", money=0.8, reserve={"money": 0.4}),
        )
        handle = await engine.start(plan, {})
        with pytest.raises(RunFailed, match=r"budget_exhausted: money: 0\.5 of 0\.8 spent"):
            await handle.result()
