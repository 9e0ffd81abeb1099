"""Suspended dispatches, children, and reading what has settled (defects 7, 8, 29, 30 of section 12.2)."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, lit, live_task, steering, step
from skep import Engine
from skep.core.outcomes import Cancelled, Pass, Suspended
from skep.errors import (
    BadValue,
    InvalidTransition,
    LimitExceeded,
    PollTimeout,
    RoleViolation,
    RunNotFound,
    ScopeViolation,
    TaskNotFound,
    TokenTaskMismatch,
)
from skep.limits import Limits
from skep.testing.aio import run


def test_a_dispatch_returns_when_its_attempt_is_suspended_and_poll_follows_it():
    async def test(engine, _, operator, senior):
        @engine.agent("asks")
        async def asks(inv):
            return await inv.ask("well?")

        task_id = await engine.start_task(operator, "asks", None)
        suspended = await engine.dispatch_attempt(operator, task_id)
        assert suspended == Suspended(f"R-senior-{task_id}")
        assert (await engine.poll_task(operator, task_id, 5)).status == "suspended"
        await engine.resume(senior, suspended.key, 42)
        assert (await engine.poll_task(operator, task_id, 5)).status == "pass"

    steering(test)


def test_a_task_asked_about_before_its_attempt_finds_the_answer_when_dispatched():
    async def test(engine, _, operator, senior):
        @engine.agent("reads")
        async def reads(inv):
            return inv.answers

        task_id = await engine.start_task(operator, "reads", None)
        key = await engine.query_senior(operator, task_id, "may it?")
        with pytest.raises(InvalidTransition):
            await engine.dispatch_attempt(operator, task_id)
        await engine.resume(senior, key, "yes")
        assert await engine.dispatch_attempt(operator, task_id) == Pass({key: "yes"})

    steering(test)


def test_an_invocation_starts_follows_and_ends_its_children():
    async def test(engine, agents, _, __):
        @engine.agent("parent")
        async def parent(inv):
            one = await inv.start_task("echo", {"n": 1})
            assert (await inv.read_task(one)).status == "pending"
            with pytest.raises(PollTimeout):
                await inv.poll_task(one, 0.01)
            assert await inv.dispatch(one) == Pass({"n": 1})
            assert (await inv.poll_task(one, 5)).status == (await inv.read_task(one)).status == "pass"
            two = await inv.start_task("hang")
            dispatched = asyncio.ensure_future(inv.dispatch(two))
            await agents.started.wait()
            await inv.cancel_task(two)
            assert await dispatched == Cancelled()
            with pytest.raises(InvalidTransition, match="has settled"):
                await inv.cancel_task(one)
            with pytest.raises(TokenTaskMismatch):
                await inv.read_task("T-0000000000000000")
            return "ok"

        handle = await engine.start(blueprint(step("parent")), {})
        assert (await handle.result())["out"] == "ok"

    steering(test)


def test_children_outside_a_run_end_with_their_parent():
    async def test(engine, agents, operator, _):
        children = []

        @engine.agent("parent")
        async def parent(inv):
            children.append(await inv.start_task("echo"))
            children.append(await inv.start_task("hang"))
            children.append(asyncio.ensure_future(inv.dispatch(children[1])))
            await agents.started.wait()
            return 1

        task_id = await engine.start_task(operator, "parent", None)
        assert await engine.dispatch_attempt(operator, task_id) == Pass(1)
        for child in children[:2]:
            assert (await engine.poll_task(operator, child, 10)).status == "cancelled"
        await asyncio.gather(children[2], return_exceptions=True)
        while engine.stats()["open_tasks"]:
            await asyncio.sleep(0)

    steering(test)


def test_a_session_has_only_so_many_open_tasks():
    async def test(engine, _, operator, __):
        for _ in range(3):
            await engine.start_task(operator, "echo", None)
        with pytest.raises(LimitExceeded, match="max_open_tasks"):
            await engine.start_task(operator, "echo", None)
        for bad in (None, 7, ["echo"]):
            with pytest.raises(BadValue):
                await engine.start_task(operator, bad, None)

    steering(test, limits=Limits(max_open_tasks=3))


def test_children_of_an_attempt_that_is_held_outside_outlive_the_host(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    flow = blueprint(
        step("judge"),
        agents=[{"name": "judge", "kind": "operator", "spec": {"operator_ref": "red"}}],
        operators=[{"name": "red"}],
    )

    async def first():
        async with Engine.open(url) as engine:
            agents = Agents(engine)
            handle = await engine.start(flow, {})
            while not (items := await engine.list_work()):
                await asyncio.sleep(0)
            claimed = await engine.claim(None, items[0].key)
            child = await engine.start_task(claimed.handle, "gate", "large" * 100_000)
            dispatched = asyncio.ensure_future(engine.dispatch_attempt(claimed.handle, child))
            await agents.started.wait()
        with pytest.raises((InvalidTransition, asyncio.CancelledError)):
            await dispatched
        return handle.id, items[0].key, claimed.handle, child

    async def second(run_id, key, held, child):
        async with Engine.open(url, recover="none") as engine:
            agents = Agents(engine)
            handle = await engine.resume_run(run_id)
            assert (await engine.read_task_state(held, child)).status == "pending"
            agents.release.set()
            assert await engine.dispatch_attempt(held, child) == Pass("passed")
            assert (await engine.read_task_state(held, child)).attempt == 2
            await engine.complete(held, key, "judged")
            assert (await handle.result())["out"] == "judged"

    run(second(*run(first())))


def test_an_operator_reads_the_settled_step_of_a_run():
    async def test(engine, _, operator, senior):
        handle = await engine.start(blueprint(step("echo")), {"x": 1})
        await handle.result()
        [created] = [e async for e in handle.events() if e["kind"] == "task_created"]
        task_id = created["task_id"]
        assert (await engine.read_task_state(operator, task_id)).status == "pass"
        assert (await engine.read_task_state(operator, task_id, run_id=handle.id)).step_key is not None
        assert len(await engine.output_tail(operator, task_id, 1)) == 1
        scoped = await engine.mint_token("o", "operator", scopes=(f"run:{handle.id}",))
        assert (await engine.poll_task(scoped.text, task_id, 5)).status == "pass"
        by_agent = await engine.mint_token("o", "operator", scopes=("agent:echo",))
        assert (await engine.read_task_state(by_agent.text, task_id)).status == "pass"
        for scope in ("run:run-1", "agent:other", "task:T-1"):
            stranger = await engine.mint_token("o", "operator", scopes=(scope,))
            with pytest.raises(ScopeViolation):
                await engine.read_task_state(stranger.text, task_id, run_id=handle.id)
        with pytest.raises(RoleViolation):
            await engine.read_task_state(senior, task_id)
        with pytest.raises(TaskNotFound):
            await engine.read_task_state(operator, "T-0000000000000000")
        for bad in (None, 7, "x" * 1_000):
            with pytest.raises((BadValue, LimitExceeded)):
                await engine.read_task_state(operator, bad)

    steering(test)


def test_a_trace_comes_in_pages_with_its_values(tmp_path):
    async def test(engine, _, operator, __):
        eye = await engine.attach("eye", "observer")
        flow = [step("inc", "$.n", "$.n"), step("inc", "$.n", "$.n"), step("no", "$.n", "$.m")]
        caught = {"kind": "try", "body": {"kind": "seq", "children": flow}, "catch": step("echo", lit(1))}
        handle = await engine.start(blueprint({**caught, "err_at": {"op": "path", "at": "$.e"}}), {"n": 1})
        await handle.result()
        whole = [event async for event in handle.events()]
        paged, after = [], 0
        while page := await engine.read_trace(eye, handle.id, after=after, limit=3):
            paged += page
            after = page[-1]["version"]
        assert paged == whole
        assert [e["result"] for e in paged if e["kind"] == "task_pass"][:2] == [2, 3]
        task_id = next(e["task_id"] for e in whole if e["kind"] == "task_pass")
        own = await engine.read_trace(eye, task_id=task_id)
        assert own == [e for e in whole if e.get("task_id") == task_id]
        last = await engine.read_trace(eye, task_id=task_id, after=own[-2]["version"])
        assert last == own[-1:]
        assert not [e for e in whole if "nonce" in e or "handle" in e]
        with pytest.raises(RoleViolation):
            await engine.read_trace(operator, handle.id)
        with pytest.raises(RunNotFound):
            await engine.read_trace(eye, "run-nowhere")
        for bad in ({}, {"run_id": handle.id, "after": -1}):
            with pytest.raises(BadValue):
                await engine.read_trace(eye, **bad)
        for limit in (0, 1_000_000):
            with pytest.raises(LimitExceeded):
                await engine.read_trace(eye, handle.id, limit=limit)

    steering(test)


def test_a_live_task_can_be_traced():
    async def test(engine, agents, operator, _):
        eye = await engine.attach("eye", "observer")
        handle = await engine.start(blueprint(step("hang")), {})
        task_id = await live_task(engine, agents)
        kinds = [event["kind"] for event in await engine.read_trace(eye, task_id=task_id)]
        assert kinds == ["task_created", "task_attempt_started"]
        await handle.cancel()

    steering(test)


def test_a_thousand_waiters_are_all_woken_and_nothing_is_kept_of_them():
    async def test(engine, agents, operator, _):
        task_id = await engine.start_task(operator, "gate", None)
        dispatched = asyncio.ensure_future(engine.dispatch_attempt(operator, task_id))
        waiting = [asyncio.ensure_future(engine.poll_task(operator, task_id, 60)) for _ in range(1_000)]
        await agents.started.wait()
        agents.release.set()
        assert {state.status for state in await asyncio.gather(*waiting)} == {"pass"}
        await dispatched
        await asyncio.sleep(0)
        assert engine.ledger.waiters.waiting == {}

    steering(test)
