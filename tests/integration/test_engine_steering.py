"""Steering a run: pauses and directives, here and from another process."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, live_task, pending, steering, step
from skep import Engine
from skep.errors import (
    AttemptEnded,
    BadValue,
    InvalidTransition,
    LimitExceeded,
    PollTimeout,
    RunNotFound,
    RunOwned,
)
from skep.limits import Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock


def test_a_paused_run_begins_nothing_and_goes_on_when_resumed():
    async def test(engine, agents, _, senior):
        handle = await engine.start(blueprint([step("gate"), step("echo"), step("echo")]), {"x": 1})
        await agents.started.wait()
        await engine.pause_loop(senior, handle.id)
        await engine.pause_loop(senior, handle.id)
        agents.release.set()
        assert await handle.until_suspended()
        [task] = await pending(engine)
        assert (task.attempt, task.live) == (0, False)
        assert (await engine.get_run(handle.id)).status == "suspended"
        assert sum(agents.calls.values()) == 1
        await engine.resume_loop(senior, handle.id)
        await engine.resume_loop(senior, handle.id)
        assert (await handle.result())["out"]["x"] == 1
        assert sum(agents.calls.values()) == 3

    steering(test)


def test_a_pause_survives_a_restart(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"

    async def first():
        async with Engine.open(url) as engine:
            agents = Agents(engine)
            handle = await engine.start(blueprint([step("gate"), step("echo")]), {})
            await agents.started.wait()
            await engine.pause_loop(None, handle.id)
            agents.release.set()
            await handle.until_suspended()
            return handle.id

    async def second(run_id):
        async with Engine.open(url, recover="none") as engine:
            agents = Agents(engine)
            handle = await engine.resume_run(run_id)
            assert await handle.until_suspended()
            for _ in range(20):
                await asyncio.sleep(0)
            assert agents.calls == {}
            await engine.resume_loop(None, run_id)
            assert (await handle.wait()).status == "done"
            assert sum(agents.calls.values()) == 1

    run(second(run(first())))


def test_retries_and_children_wait_for_the_end_of_a_pause():
    clock = FakeClock()

    async def test(engine, agents, _, senior):
        began = asyncio.Event()

        @engine.agent("parent")
        async def parent(inv):
            child = await inv.start_task("echo", "hello")
            began.set()
            await agents.release.wait()
            return (await inv.dispatch(child)).value

        retry = {"max_attempts": 2, "backoff": {"initial": 5}}
        lanes = {
            "kind": "parallel",
            "branches": {"a": step("parent"), "b": step("boom", retry=retry)},
            "join": "all_settled",
            "out": {"op": "path", "at": "$.both"},
        }
        handle = await engine.start(blueprint(lanes), {})
        await began.wait()
        while not any(task.retry_at for task in engine.ledger.state.tasks.values()):
            await asyncio.sleep(0)
        await engine.pause_loop(senior, handle.id)
        agents.release.set()
        suspended = asyncio.ensure_future(handle.until_suspended())
        clock.advance(60_000)
        for _ in range(50):
            await asyncio.sleep(0)
        assert sum(agents.calls.values()) == 1
        assert not suspended.done(), "what a pause holds back waits for nobody outside"
        await engine.resume_loop(senior, handle.id)
        assert (await handle.wait()).status == "done"
        assert not await suspended
        assert sum(agents.calls.values()) == 3

    steering(test, clock=clock)


def test_a_paused_run_can_be_cancelled():
    async def test(engine, agents, _, senior):
        handle = await engine.start(blueprint([step("gate"), step("echo")]), {})
        await agents.started.wait()
        await engine.pause_loop(senior, handle.id)
        agents.release.set()
        await handle.until_suspended()
        assert (await handle.cancel()).status == "cancelled"
        with pytest.raises(InvalidTransition):
            await engine.resume_loop(senior, handle.id)
        with pytest.raises(RunNotFound):
            await engine.pause_loop(senior, "run-nowhere")
        with pytest.raises(BadValue):
            await engine.pause_loop(senior, None)

    steering(test)


def test_a_directive_reaches_a_worker_that_listens_and_the_next_attempt():
    async def test(engine, agents, operator, senior):
        heard, seen = [], []

        @engine.agent("listens")
        async def listens(inv):
            seen.append(inv.directives)
            agents.started.set()
            if inv.attempt == 1:
                heard.append(await inv.next_directive())
                heard.append(await inv.next_directive())
                raise ValueError("again")
            return list(inv.directives)

        handle = await engine.start(blueprint(step("listens", retry={"max_attempts": 2})), {})
        task_id = await live_task(engine, agents)
        await engine.inject_directive(senior, task_id, {"say": 1})
        await engine.inject_directive(senior, task_id, "large" * 100_000)
        result = await handle.result()
        assert heard == result["out"] == [{"say": 1}, "large" * 100_000]
        assert seen[0] == ()

    steering(test)


def test_directives_are_bounded():
    async def test(engine, _, operator, senior):
        task_id = await engine.start_task(operator, "echo", None)
        for _ in range(2):
            await engine.inject_directive(senior, task_id, "go")
        with pytest.raises(LimitExceeded, match="max_directives"):
            await engine.inject_directive(senior, task_id, "go")
        other = await engine.start_task(operator, "echo", None)
        with pytest.raises(LimitExceeded, match="max_directive_bytes"):
            await engine.inject_directive(senior, other, "x" * 2_000)
        with pytest.raises(BadValue):
            await engine.inject_directive(senior, other, float("nan"))

    steering(test, limits=Limits(max_directives=2, max_directive_bytes=1_000))


def test_who_still_listens_when_the_attempt_ends_hears_of_that():
    async def test(engine, _, __, ___):
        kept = []

        @engine.agent("forgets")
        async def forgets(inv):
            kept.append(asyncio.ensure_future(inv.next_directive()))
            await asyncio.sleep(0)
            return 1

        await (await engine.start(blueprint(step("forgets")), {})).result()
        with pytest.raises(AttemptEnded):
            await kept[0]
        assert engine.ledger.waiters.waiting == {}

    steering(test)


def test_acts_on_a_run_of_another_engine_reach_its_owner(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"

    async def main():
        async with Engine.open(url) as one, Engine.open(url, recover="none") as other:
            agents = Agents(one)

            @one.agent("learns")
            async def learns(inv):
                agents.started.set()
                word = await inv.next_directive()
                agents.release.set()
                return [word, await inv.fetch_data("k")]

            handle = await one.start(blueprint([step("learns", "$", "$.a"), step("hang", "$", "$.b")]), {})
            task_id = await live_task(one, agents)
            with pytest.raises(PollTimeout):
                await other.poll_task(None, task_id, 0.01, run_id=handle.id)
            with pytest.raises(RunOwned):
                await other.set_prompt(None, task_id, 2, "x")
            assert (await other.pause_loop(None, handle.id)).acted
            assert (await other.set_resource(None, handle.id, "k", 1)).acted
            polling = asyncio.ensure_future(other.poll_task(None, task_id, 20, run_id=handle.id))
            assert (await other.inject_directive(None, task_id, "go", run_id=handle.id)).acted
            assert (await polling).status == "pass"
            assert await handle.until_suspended()
            agents.started.clear()
            assert (await other.resume_loop(None, handle.id)).acted
            assert (await other.mark_pass(None, await live_task(one, agents), 2)).acted
            result = await handle.result()
            assert (result["a"], result["b"]) == (["go", 1], 2)
            for late in (other.pause_loop(None, handle.id), other.mark_blocked(None, task_id, 1)):
                with pytest.raises(InvalidTransition):
                    await late

    run(main())


def test_a_pause_of_an_interrupted_run_waits_for_its_next_owner(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"

    async def first():
        async with Engine.open(url) as engine:
            agents = Agents(engine)
            handle = await engine.start(blueprint([step("hang"), step("echo")]), {})
            await agents.started.wait()
            return handle.id

    async def second(run_id):
        async with Engine.open(url, recover="none") as engine:
            Agents(engine)
            assert not (await engine.pause_loop(None, run_id)).acted
            handle = await engine.resume_run(run_id)
            assert handle._driver.paused
            assert (await handle.cancel()).status == "cancelled"

    run(second(run(first())))
