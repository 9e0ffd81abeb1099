"""Verdicts from above: an operator's or a senior's word decides, once and for good (defects 2, 3 of section 12.2)."""

from __future__ import annotations

import asyncio

import pytest

from engines import blueprint, live_task, pending, steering, step
from skep import Engine
from skep.core.outcomes import Blocked, Pass
from skep.core.outputs import final
from skep.errors import (
    InvalidTransition,
    TaskNotFound,
)
from skep.testing.aio import run


@pytest.mark.parametrize("who", ["override", "mark"])
@pytest.mark.parametrize("ok", [True, False])
def test_a_verdict_ends_a_live_step_and_the_flow_goes_on_with_its_value(ok, who):
    async def test(engine, agents, operator, senior):
        caught = {
            "kind": "try",
            "body": step("hang", retry={"max_attempts": 3, "on": ["blocked", "error"]}),
            "err_at": {"op": "path", "at": "$.err"},
            "catch": step("echo", "$.err", "$.caught"),
        }
        handle = await engine.start(blueprint(caught), {})
        task_id = await live_task(engine, agents)
        said = {"by": "above", "large": "x" * 100_000}
        if who == "override":
            await engine.override_verdict(senior, task_id, ok, said)
        else:
            await (engine.mark_pass if ok else engine.mark_blocked)(operator, task_id, said)
        result = await handle.result()
        assert sum(agents.calls.values()) == (1 if ok else 2)
        if ok:
            assert result["out"] == said
        else:
            assert "caught" in result
        kinds = [event["kind"] async for event in handle.events()]
        assert kinds.count("verdict_overridden") == 1
        assert kinds.count("task_attempt_started") == (1 if ok else 2)
        outputs = [e async for e in handle.events() if e["kind"] == "worker_output"]
        assert outputs[0]["by"] == ("chief" if who == "override" else "op")

    steering(test)


def test_a_verdict_beats_a_final_that_the_worker_had_sent():
    async def test(engine, agents, _, senior):
        @engine.agent("says")
        async def says(inv):
            inv.emit(final({"large": "y" * 100_000}))
            agents.started.set()
            await asyncio.Event().wait()

        handle = await engine.start(blueprint(step("says")), {})
        await engine.override_verdict(senior, await live_task(engine, agents), True, "z" * 100_000)
        assert (await handle.result())["out"] == "z" * 100_000

    steering(test)


def test_a_verdict_on_a_step_that_waits_for_its_retry_settles_it_at_once():
    async def test(engine, _, operator, __):
        retry = {"max_attempts": 2, "backoff": {"initial": 30}}
        handle = await engine.start(blueprint(step("boom", retry=retry)), {})
        [task] = await pending(engine)
        await engine.mark_pass(operator, task.id, 7)
        assert (await handle.result())["out"] == 7

    steering(test)


def test_a_verdict_on_a_suspended_step_takes_its_question_back():
    async def test(engine, agents, operator, _):
        @engine.agent("asks")
        async def asks(inv):
            agents.started.set()
            return await inv.ask("well?")

        handle = await engine.start(blueprint(step("asks")), {})
        await handle.until_suspended()
        await engine.mark_pass(operator, await live_task(engine, agents), "enough")
        assert (await handle.result())["out"] == "enough"
        assert await engine.list_questions() == []

    steering(test)


@pytest.mark.parametrize("ok", [True, False])
def test_a_verdict_on_a_started_task_is_what_its_dispatch_returns(ok):
    async def test(engine, agents, operator, senior):
        task_id = await engine.start_task(operator, "hang", None)
        dispatched = asyncio.ensure_future(engine.dispatch_attempt(operator, task_id))
        await agents.started.wait()
        await engine.override_verdict(senior, task_id, ok, [1])
        assert await dispatched == (Pass([1]) if ok else Blocked([1]))
        state = await engine.read_task_state(operator, task_id)
        assert (state.status, state.attempt) == ("pass" if ok else "blocked", 1)

    steering(test)


def test_a_verdict_on_a_task_that_was_never_dispatched():
    async def test(engine, _, operator, senior):
        task_id = await engine.start_task(operator, "hang", None)
        polling = asyncio.ensure_future(engine.poll_task(operator, task_id, 10))
        await asyncio.sleep(0)
        await engine.override_verdict(senior, task_id, False, "no need")
        assert (await polling).status == "blocked"

    steering(test)


def test_a_settled_task_takes_no_verdict_no_directive_and_no_prompt():
    async def test(engine, _, operator, senior):
        task_id = await engine.start_task(operator, "echo", 1)
        await engine.dispatch_attempt(operator, task_id)
        for act in (
            engine.override_verdict(senior, task_id, True, 1),
            engine.mark_pass(operator, task_id, 1),
            engine.mark_blocked(None, task_id, 1),
            engine.cancel_task(operator, task_id),
            engine.inject_directive(None, task_id, "more"),
            engine.set_prompt(operator, task_id, 2, "again"),
            engine.mint_worker_token(operator, task_id),
        ):
            # A senior's session has not heard of the operator's task: it is found all the same.
            with pytest.raises((InvalidTransition, TaskNotFound)):
                await act

    steering(test)


async def let_go(engine, ended):
    """The worker ends only when the engine is already closing: too late to be settled."""
    while engine._open:
        await asyncio.sleep(0)
    ended.set()


def test_a_verdict_outlives_the_engine_under_a_worker_that_has_not_ended(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    closing = []

    async def first():
        async with Engine.open(url) as engine:
            ended = asyncio.Event()

            @engine.agent("stubborn")
            async def stubborn(inv):
                started.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    await ended.wait()

            started = asyncio.Event()
            handle = await engine.start(blueprint(step("stubborn")), {})
            await started.wait()
            [task] = engine.ledger.state.tasks.values()
            await engine.override_verdict(None, task.id, True, {"decided": "v" * 100_000})
            assert task.live
            closing.append(asyncio.ensure_future(let_go(engine, ended)))
            return handle.id

    async def second(run_id):
        async with Engine.open(url, recover="none") as engine:

            @engine.agent("stubborn")
            async def stubborn(inv):
                closing.append("it ran again")

            closing.clear()
            result = await (await engine.resume_run(run_id)).result()
            assert closing == []
            assert result["out"] == {"decided": "v" * 100_000}

    run(second(run(first())))
