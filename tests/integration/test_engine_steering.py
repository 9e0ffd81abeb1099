"""Steering from above: verdicts, pauses, directives, prompts, resources, traces (defects 1-4, 7, 8 of section 12.2)."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from engines import Agents, blueprint, lit, step
from skep import Engine
from skep.core.outcomes import Blocked, Cancelled, Pass, Suspended
from skep.core.outputs import final
from skep.errors import (
    AttemptEnded,
    BadValue,
    InvalidTransition,
    LimitExceeded,
    PollTimeout,
    ResourceNotFound,
    RoleViolation,
    RunNotFound,
    RunOwned,
    ScopeViolation,
    TaskNotFound,
    TokenNotFound,
    TokenTaskMismatch,
)
from skep.flow.agents import AgentProfile
from skep.limits import Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock


def steering(test, url="memory:", **options):
    async def main():
        async with Engine.open(url, **options) as engine:
            agents = Agents(engine)
            operator = await engine.attach("op", "operator")
            senior = await engine.attach("chief", "senior")
            return await test(engine, agents, operator, senior)

    return run(main())


async def live_task(engine, agents):
    await agents.started.wait()
    [task] = [task for task in engine.ledger.state.tasks.values() if task.live]
    return task.id


async def pending(engine, count=1):
    while len(found := [t for t in engine.ledger.state.tasks.values() if t.status == "pending"]) < count:
        await asyncio.sleep(0)
    return found


# -- verdicts ------------------------------------------------------------------------------------


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


# -- pausing -------------------------------------------------------------------------------------


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
        clock.advance(60_000)
        for _ in range(50):
            await asyncio.sleep(0)
        assert sum(agents.calls.values()) == 1
        assert not handle._driver.is_suspended
        await engine.resume_loop(senior, handle.id)
        assert (await handle.wait()).status == "done"
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


# -- directives ----------------------------------------------------------------------------------


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


# -- prompts -------------------------------------------------------------------------------------


PROFILE = {"system_prompt": "You are {{ directive }}."}


@pytest.mark.parametrize(
    ("baked", "expected"), [("absent", "You are hi."), (None, None), ("Other.", "Other.")]
)
def test_the_three_states_of_a_baked_system_prompt(baked, expected):
    async def test(engine, _, operator, __):
        seen = []

        @engine.agent("talks")
        async def talks(inv):
            payload = await engine.fetch_worker_payload(inv.token, inv.task_id)
            assert (payload.prompt, payload.system) == (inv.prompt, inv.system)
            assert ("system" in payload.to_dict()) is (inv.system is not None)
            assert await engine.fetch_prompt(inv.token, inv.task_id) == inv.prompt
            seen.append((inv.prompt, inv.system))
            if inv.attempt == 1:
                raise ValueError("again")
            return 1

        engine.planner.registered["talks"] = with_profile(engine.planner.registered["talks"])
        task_id = await engine.start_task(operator, "talks", "hi")
        await engine.set_prompt(operator, task_id, 1, "instead")
        if baked != "absent":
            await engine.bake_worker_system_prompt(operator, task_id, 1, baked)
        with pytest.raises(Exception, match="ValueError: again"):
            await engine.dispatch_attempt(operator, task_id)
        assert seen == [("instead", expected)]

    steering(test)


def with_profile(agent):
    return structs.replace(agent, profile=AgentProfile(system_prompt=PROFILE["system_prompt"]))


def test_prompts_are_those_of_one_attempt():
    async def test(engine, agents, operator, _):
        seen = []

        @engine.agent("talks")
        async def talks(inv):
            seen.append(inv.prompt)
            if inv.attempt == 1:
                with pytest.raises(InvalidTransition, match="next attempt is 2"):
                    await engine.set_prompt(operator, inv.task_id, 3, "too far")
                await engine.set_prompt(operator, inv.task_id, 2, "second")
                await engine.set_prompt(inv.token, inv.task_id, 1, "late")
                assert await engine.fetch_prompt(inv.token, inv.task_id) == "late"
                raise ValueError("again")
            payload = await engine.fetch_worker_payload(inv.token, inv.task_id)
            assert payload.to_dict() == {
                "task_id": inv.task_id,
                "attempt": 2,
                "agent": "talks",
                "prompt": "second",
                "previous": {"attempt": 1, "reason": "error", "message": inv.previous.message},
            }
            return 1

        handle = await engine.start(blueprint(step("talks", retry={"max_attempts": 2})), {})
        await handle.result()
        assert seen == ["{}", "second"]
        task_id = await engine.start_task(operator, "echo", 1)
        for bad in (None, 7, "\ud800"):
            with pytest.raises(BadValue):
                await engine.set_prompt(operator, task_id, 1, bad)
        with pytest.raises(LimitExceeded):
            await engine.bake_worker_system_prompt(operator, task_id, 1, "x" * 2_000_000)
        with pytest.raises(AttemptEnded):
            await engine.mint_worker_token(operator, task_id)

    steering(test)


# -- resources -----------------------------------------------------------------------------------


def test_resources_are_a_runs_own():
    async def test(engine, agents, operator, _):
        @engine.agent("fetches")
        async def fetches(inv):
            agents.started.set()
            await agents.release.wait()
            by_token = await engine.fetch_data(inv.token, "k")
            assert await inv.fetch_data("k") == by_token
            with pytest.raises(ResourceNotFound):
                await inv.fetch_data("other")
            return by_token

        @engine.agent("fetches_in_a_thread")
        def fetches_in_a_thread(inv):
            return inv.wait(inv.fetch_data("k"))

        one = await engine.start(blueprint([step("fetches"), step("fetches_in_a_thread")]), {})
        other = await engine.start(blueprint(step("hang")), {})
        await engine.set_resource(operator, other.id, "other", 1)
        await engine.set_resource(operator, one.id, "k", 1)
        await engine.set_resource(operator, one.id, "k", {"large": "x" * 100_000})
        with pytest.raises(LimitExceeded, match="max_resources"):
            await engine.set_resource(operator, one.id, "k2", 1)
        with pytest.raises(LimitExceeded):
            await engine.set_resource(operator, one.id, "k" * 257, 1)
        with pytest.raises(BadValue):
            await engine.set_resource(operator, one.id, 7, 1)
        with pytest.raises(BadValue):
            await engine.set_resource(operator, one.id, "k", {1, 2})
        agents.release.set()
        assert (await one.result())["out"] == {"large": "x" * 100_000}
        with pytest.raises(InvalidTransition):
            await engine.set_resource(operator, one.id, "k", 1)

    steering(test, limits=Limits(max_resources=1))


# -- tokens, results -----------------------------------------------------------------------------


def test_the_operator_gets_the_attempts_own_token():
    async def test(engine, agents, operator, _):
        task_id = await engine.start_task(operator, "hang", "do it")
        dispatched = asyncio.ensure_future(engine.dispatch_attempt(operator, task_id))
        await agents.started.wait()
        text = await engine.mint_worker_token(operator, task_id)
        assert await engine.fetch_prompt(text, task_id) == "do it"
        with pytest.raises(RoleViolation):
            await engine.mint_worker_token(text, task_id)
        with pytest.raises(AttemptEnded):
            await engine.mint_worker_token(operator, task_id, handle=True)
        await engine.cancel_task(operator, task_id)
        assert await dispatched == Cancelled()
        with pytest.raises(TokenNotFound):
            await engine.fetch_prompt(text, task_id)

    steering(test)


def test_the_same_result_again_gets_the_first_reply_and_changes_nothing():
    async def test(engine, agents, operator, _):
        task_id = await engine.start_task(operator, "gate", None)
        dispatched = asyncio.ensure_future(engine.dispatch_attempt(operator, task_id))
        await agents.started.wait()
        text = await engine.mint_worker_token(operator, task_id)
        await engine.post_result(text, task_id, {"a": 1})
        await engine.post_result(text, task_id, {"a": 1})
        await engine.submit_output(text, task_id, 1, final({"a": 1}))
        assert len(await engine.output_tail(operator, task_id, 1)) == 1
        await engine.post_result(text, task_id, {"a": 2}, ok=False)
        await engine.cancel_task(operator, task_id)
        await dispatched
        await engine.post_result(text, task_id, {"a": 2}, ok=False)
        for late in (
            engine.post_result(text, task_id, {"a": 1}),
            engine.post_result(text, task_id, {"a": 2}),
        ):
            with pytest.raises(TokenNotFound):
                await late
        assert len(await engine.output_tail(operator, task_id, 1)) == 2

    steering(test)


@pytest.mark.parametrize("event", [None, {"type": "final"}, "final", final, 7])
def test_what_is_no_output_is_refused(event):
    async def test(engine, agents, operator, _):
        task_id = await engine.start_task(operator, "hang", None)
        dispatched = asyncio.ensure_future(engine.dispatch_attempt(operator, task_id))
        await agents.started.wait()
        text = await engine.mint_worker_token(operator, task_id)
        with pytest.raises(BadValue):
            await engine.submit_output(text, task_id, 1, event)
        for attempt in (0, 2, "1"):
            with pytest.raises(AttemptEnded):
                await engine.submit_output(text, task_id, attempt, final(1))
        await engine.mark_pass(operator, task_id, None)
        assert await dispatched == Pass(None)

    steering(test)


# -- suspended dispatch, children ----------------------------------------------------------------


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


# -- reading -------------------------------------------------------------------------------------


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
