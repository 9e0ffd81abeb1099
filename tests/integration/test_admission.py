"""What is looked at before a token is found to be one: nothing. And whose a task or run is: its own."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, lit, path, step
from skep import Engine
from skep.core.outputs import Progress
from skep.errors import (
    BadSignature,
    BadValue,
    ScopeViolation,
    SessionNotFound,
    TokenNotFound,
)
from skep.testing.aio import run
from skep.workers.backends import OperatorInfo

ASK = {"kind": "ask", "question": lit("?"), "audience": ["senior"], "out": path("$.answer")}
WAIT = {"kind": "wait", "signal": "go", "out": path("$.signal")}
SEAT = {
    "agents": [{"name": "judge", "kind": "operator", "spec": {"operator_ref": "red"}}],
    "operators": [{"name": "red"}],
}


@pytest.fixture
def place(tmp_path):
    return {"url": f"sqlite:///{tmp_path}/s.db", "home": tmp_path / "home"}


def with_engine(test, **options):
    async def main():
        async with Engine.open("memory:", **options) as engine:
            return await test(engine)

    return run(main())


# -- garbage -----------------------------------------------------------------------------------


def acts_on(engine, token, key):
    """Every act on a question or work item that takes a token."""
    return {
        "resume": lambda: engine.resume(token, key, 1),
        "answer": lambda: engine.answer(token, key, 1),
        "await_resume": lambda: engine.await_resume(token, key),
        "claim": lambda: engine.claim(token, key),
        "takeover": lambda: engine.takeover(token, key),
        "renew": lambda: engine.renew(token, key, 1),
        "release": lambda: engine.release(token, key, 1),
        "complete": lambda: engine.complete(token, key, 1),
        "emit": lambda: engine.emit(token, key, Progress("x")),
        "ask": lambda: engine.ask(token, key, "?"),
    }


@pytest.fixture(params=["unknown", "open", "ended", "work", "finished"])
def key_of(request):
    """Makes a key: of no question, an open one, one that was answered, a work item and one that was completed."""

    async def make(engine):
        if request.param == "unknown":
            return "R-senior-T-0"
        work = request.param in {"work", "finished"}
        first = step("judge", lit("?")) if work else ASK
        handle = await engine.start(blueprint([first, WAIT], **(SEAT if work else {})))
        await handle.until_suspended()
        [question] = await engine.list_questions()
        if request.param in {"ended", "finished"}:
            await engine.resume(None, question.key, "secret")
        return question.key

    return make


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize(("token", "refusal"), [("garbage", BadSignature), ("wh-" + "0" * 32, TokenNotFound)])
def test_garbage_learns_nothing_of_a_key(place, key_of, where, token, refusal):
    async def main():
        async with Engine.open(**place) as owner, Engine.open(**place, recover="none") as other:
            key = await key_of(owner)
            for act, call in acts_on(owner if where == "here" else other, token, key).items():
                with pytest.raises(refusal) as refused:
                    await call()
                assert key not in str(refused.value), act
                assert "answered" not in str(refused.value), act

    run(main())


def test_a_token_that_may_not_take_a_session_up_does_not_take_its_log(place):
    async def main():
        async with Engine.open(**place) as engine:
            await engine.attach("ada", "operator")
            [session] = await engine.list_sessions()
        async with Engine.open(**place, recover="none") as engine:
            bob = (await engine.mint_token("bob", "operator")).text
            narrow = (await engine.mint_token("ada", "operator", scopes=["seat:red"])).text
            owned = set(engine.dispatcher.tokens.logs.owned)
            for token, refusal in [
                ("garbage", BadSignature),
                (bob, SessionNotFound),
                (narrow, ScopeViolation),
            ]:
                with pytest.raises(refusal):
                    await engine.attach("ada", "operator", session_id=session.id, token=token)
                with pytest.raises(refusal):
                    await engine.attach_with(
                        "ada", "operator", OperatorInfo(), session_id=session.id, token=token
                    )
                with pytest.raises(refusal):
                    await engine.attach_with_ids("ada", "operator", session_id=session.id, token=token)
            assert set(engine.dispatcher.tokens.logs.owned) == owned
            await engine.attach("ada", "operator", session_id=session.id)

    run(main())


def test_garbage_learns_nothing_of_a_session(place):
    async def main():
        async with Engine.open(**place) as engine:
            for given in ({"token": "garbage"}, {"token": "garbage", "session_id": "S-0"}):
                with pytest.raises(BadSignature):
                    await engine.attach("ada", "operator", **given)

    run(main())


def test_a_kind_that_there_is_not_leaves_nothing_registered():
    class Operator:
        async def execute(self, *given):
            raise AssertionError(given)

    async def test(engine):
        with pytest.raises(BadValue):
            await engine.attach_with("ada", "operator", OperatorInfo(kind="nope", operator=Operator()))
        assert engine.list_operator_ids() == []

    with_engine(test)


# -- scopes ------------------------------------------------------------------------------------


def test_a_scope_that_is_the_beginning_of_an_id_opens_no_trace():
    async def test(engine):
        Agents(engine)
        handle = await engine.start(blueprint([step("echo")]))
        await handle.result()
        token = await engine.mint_token("ada", "observer", scopes=["run:run-"])
        with pytest.raises(ScopeViolation):
            await engine.read_trace(token.text, "run-")
        whole = await engine.mint_token("ada", "observer", scopes=[f"run:{handle.id}"])
        assert await engine.read_trace(whole.text, handle.id)

    with_engine(test)


def test_a_tasks_run_is_its_own_whatever_is_said():
    async def test(engine):
        agents = Agents(engine)
        handle = await engine.start(blueprint([step("gate")]))
        await agents.started.wait()
        [task] = engine.ledger.state.tasks
        token = (await engine.mint_token("ada", "operator", scopes=["run:other", "agent:mine"])).text
        with pytest.raises(ScopeViolation):
            await engine.admit(token, "read_task_state", task, run="other", agent="mine")
        with pytest.raises(ScopeViolation):
            await engine.read_task_state(token, task, run_id="other")
        await handle.cancel()

    with_engine(test)


def test_a_task_that_comes_while_it_is_looked_for_is_judged_by_its_own_run(place):
    async def main():
        async with Engine.open(**place) as engine:
            Agents(engine)
            handle = await engine.start(blueprint([step("gate")]))
            while not engine.ledger.state.tasks:
                await asyncio.sleep(0)
            [task] = engine.ledger.state.tasks
        async with Engine.open(**place, recover="none") as engine:
            Agents(engine)
            token = (await engine.mint_token("ada", "senior", scopes=["run:other"])).text
            learn = engine.dispatcher.tokens.known
            looks = []

            async def known(bearer):
                """As ever, but the run is taken up while the task is looked for."""
                await learn(bearer)
                looks.append(bearer)
                if len(looks) == 2:
                    await engine.resume_run(handle.id)

            engine.dispatcher.tokens.known = known
            with pytest.raises(ScopeViolation):
                await engine.override_verdict(token, task, ok=True, value="mine", run_id="other")
            assert len(looks) == 2
            await engine.cancel_run(None, handle.id)

    run(main())


# -- secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pasted", ["wh-" + "0123456789abcdef" * 2, "0123456789abcdef" * 2, "eyJhZ2VudF9pZCI6"]
)
def test_what_was_pasted_by_mistake_is_not_shown(pasted):
    async def test(engine):
        with pytest.raises(TokenNotFound) as refused:
            await engine.revoke(pasted)
        assert pasted not in str(refused.value)
        with pytest.raises(TokenNotFound, match="0badcafe"):
            await engine.revoke("0badcafe")

    with_engine(test)
