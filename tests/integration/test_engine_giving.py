"""What attempts are given and give back: prompts, resources, tokens, results."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from engines import blueprint, steering, step
from skep.core.outcomes import Cancelled, Pass
from skep.core.outputs import final
from skep.errors import (
    AttemptEnded,
    BadValue,
    InvalidTransition,
    LimitExceeded,
    ResourceNotFound,
    RoleViolation,
    TokenNotFound,
    TokenTaskMismatch,
)
from skep.flow.agents import AgentProfile
from skep.limits import Limits
from skep.testing.clock import FakeClock

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


def test_a_worker_posts_to_its_own_task_only_however_long_it_works():
    clock = FakeClock()

    async def test(engine, agents, operator, _):
        task_id = await engine.start_task(operator, "gate", None)
        other = await engine.start_task(operator, "gate", None)
        dispatched = [asyncio.ensure_future(engine.dispatch_attempt(operator, t)) for t in (task_id, other)]
        await agents.started.wait()
        text = await engine.mint_worker_token(operator, task_id)
        clock.advance(3 * 3_600_000)
        for act in (
            engine.post_result(text, other, 1),
            engine.submit_output(text, other, 1, final(1)),
            engine.fetch_worker_payload(text, other),
            engine.cancel_task(text, other),
            engine.set_prompt(text, other, 2, "mine"),
        ):
            with pytest.raises(TokenTaskMismatch):
                await act
        for act in (
            engine.mark_pass(text, task_id, 1),
            engine.override_verdict(text, task_id, True, 1),
            engine.inject_directive(text, task_id, 1),
            engine.pause_loop(text, "run-1"),
            engine.set_resource(text, "run-1", "k", 1),
            engine.read_trace(text, "run-1"),
        ):
            with pytest.raises(RoleViolation):
                await act
        with pytest.raises(ResourceNotFound):
            await engine.fetch_data(text, "k")
        await engine.post_result(text, task_id, "late and good")
        assert [type(event) for event in await engine.output_tail(text, task_id, 1)] == [type(final(1))]
        agents.release.set()
        await asyncio.gather(*dispatched)

    steering(test, clock=clock)


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
