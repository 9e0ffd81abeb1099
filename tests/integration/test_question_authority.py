"""Who may see, await and answer a question: by seat, task and agent, open and ended, here and elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from engines import blueprint, lit, path, step
from skep import Engine
from skep.errors import (
    BadValue,
    LimitExceeded,
    PollTimeout,
    QuestionClosed,
    ScopeViolation,
    TokenTaskMismatch,
)
from skep.testing.aio import run

LARGE = "x" * 200_000
ASK = {"kind": "ask", "question": lit("?"), "audience": ["senior"], "out": path("$.answer")}
WAIT = {"kind": "wait", "signal": "go", "out": path("$.signal")}


@pytest.fixture
def place(tmp_path):
    return {"url": f"sqlite:///{tmp_path}/s.db", "home": tmp_path / "home"}


def with_engine(test, **options):
    async def main():
        async with Engine.open("memory:", **options) as engine:
            return await test(engine)

    return run(main())


def seats(*names, then=()):
    """A flow that asks these seats."""
    ask = {**ASK, "audience": [f"seat:{name}" for name in names]}
    return blueprint([ask, *then], operators=[{"name": name} for name in ("red", "blue", "green")])


async def asked(engine, flow):
    """A run that has asked, and its question."""
    handle = await engine.start(flow)
    await handle.until_suspended()
    [question] = [one for one in await engine.list_questions() if one.run_id == handle.id]
    return handle, question


async def senior(engine, *scopes):
    return (await engine.mint_token("chief", "senior", scopes=scopes or ["*"])).text


def asker(engine, **options):
    @engine.agent("asker")
    async def asks(inv):
        return await inv.ask("?", **options)

    return blueprint([step("asker")])


@pytest.mark.parametrize("seat", ["red", "blue"])
def test_each_seat_of_an_audience_may_see_and_answer(seat):
    async def test(engine):
        handle, question = await asked(engine, seats("red", "blue"))
        beside = await senior(engine, "seat:green")
        assert await engine.list_questions(beside) == []
        with pytest.raises(ScopeViolation, match="seat:blue seat:red"):
            await engine.resume(beside, question.key, "no")
        token = await senior(engine, f"seat:{seat}")
        assert [one.key for one in await engine.list_questions(token)] == [question.key]
        await engine.resume(token, question.key, seat)
        assert (await handle.result())["answer"] == seat

    with_engine(test)


@pytest.mark.parametrize("kind", ["task", "agent"])
def test_questions_are_seen_and_answered_by_task_and_agent(kind):
    async def test(engine):
        handle, question = await asked(engine, asker(engine))
        beside = await senior(engine, f"{kind}:other")
        assert await engine.list_questions(beside) == []
        with pytest.raises(ScopeViolation):
            await engine.resume(beside, question.key, "no")
        token = await senior(engine, f"{kind}:{question.task_id if kind == 'task' else 'asker'}")
        assert [one.key for one in await engine.list_questions(token)] == [question.key]
        await engine.resume(token, question.key, "yes")
        assert (await handle.result())["out"] == "yes"

    with_engine(test)


def test_agent_and_task_of_a_question_of_another_process(place):
    async def main():
        async with Engine.open(**place) as owner, Engine.open(**place, recover="none") as other:
            handle, question = await asked(owner, asker(owner))
            token = await senior(other, "agent:asker", f"task:{question.task_id}")
            assert [one.key for one in await other.list_questions(token)] == [question.key]
            assert (await other.resume(token, question.key, "yes")).acted
            assert (await handle.result())["out"] == "yes"

    run(main())


@pytest.mark.parametrize("scope", ["run", "seat"])
def test_the_end_of_a_question_is_told_to_whom_it_concerned(scope):
    async def test(engine):
        handle, question = await asked(engine, seats("red"))
        mine = await senior(engine, f"run:{handle.id}" if scope == "run" else "seat:red")
        beside = await senior(engine, f"{scope}:other")
        await engine.resume(None, question.key, "first")
        with pytest.raises(QuestionClosed, match="answered by owner"):
            await engine.resume(mine, question.key, "second")
        with pytest.raises(ScopeViolation):
            await engine.resume(beside, question.key, "second")

    with_engine(test)


def test_the_end_elsewhere_is_told_to_whom_it_concerned(place):
    async def main():
        async with Engine.open(**place) as owner, Engine.open(**place, recover="none") as other:
            handle, question = await asked(owner, seats("red", then=[WAIT]))
            await owner.resume(None, question.key, "first")
            with pytest.raises(QuestionClosed, match="answered by owner"):
                await other.resume(await senior(other, f"run:{handle.id}", "seat:red"), question.key, 2)
            with pytest.raises(ScopeViolation):
                await other.resume(await senior(other, "run:other"), question.key, 2)
            operator = await other.mint_token("op", "operator", scopes=["run:other"])
            with pytest.raises(ScopeViolation):
                await other.await_resume(operator.text, question.key)
            operator = await other.mint_token("op", "operator", scopes=[f"run:{handle.id}"])
            assert await other.await_resume(operator.text, question.key) == "first"
            await handle.cancel()

    run(main())


async def worker_of(engine):
    """The token of a worker that has nothing to do with any question."""

    @engine.agent("worker")
    async def worker(inv):
        await asyncio.Event().wait()

    handle = await engine.start(blueprint([step("worker")]))
    while True:
        for task in engine.ledger.state.tasks.values():
            if task.run_id == handle.id and task.live:
                return engine.dispatcher.tokens.worker_token(task)
        await asyncio.sleep(0)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("of", ["a task", "a flow", "its own run's flow"])
def test_a_worker_awaits_no_answer_but_that_of_its_own_task_line(of, ended):
    async def test(engine):
        if of == "its own run's flow":
            both = {
                "kind": "parallel",
                "branches": {"ask": ASK, "work": step("worker")},
                "join": "all",
                "out": path("$.r"),
            }

            @engine.agent("worker")
            async def worker(inv):
                await asyncio.Event().wait()

            await engine.start(blueprint([both]))
            while not (found := await engine.list_questions()):
                await asyncio.sleep(0)
            [question] = found
            [task] = [task for task in engine.ledger.state.tasks.values() if task.live]
            token = engine.dispatcher.tokens.worker_token(task)
        else:
            flow = asker(engine) if of == "a task" else blueprint([ASK, WAIT])
            _, question = await asked(engine, flow)
            token = await worker_of(engine)
        if ended:
            await engine.resume(None, question.key, "secret")
        with pytest.raises(TokenTaskMismatch):
            await engine.await_resume(token, question.key)
        if ended:
            assert await engine.await_resume(None, question.key) == "secret"

    with_engine(test)


def test_a_worker_awaits_the_answers_of_what_it_started_also_when_that_has_settled():
    async def test(engine):
        asker(engine)
        got = []

        @engine.agent("root")
        async def root(inv):
            token = engine.dispatcher.tokens.worker_token(engine.ledger.state.tasks[inv.task_id])
            child = await engine.start_task(token, "asker", {})
            await engine.dispatch_attempt(token, child)
            key = engine.ledger.state.tasks[child].suspended_on
            with pytest.raises(PollTimeout):
                await engine.await_resume(token, key)
            await engine.resume(None, key, "yes")
            while child in engine.ledger.state.tasks:
                await asyncio.sleep(0)
            got.append(await engine.await_resume(token, key))
            return "done"

        handle = await engine.start(blueprint([step("root")]))
        await handle.result()
        assert got == ["yes"]

    with_engine(test)


def test_a_wait_for_an_answer_elsewhere_spends_one_use(place):
    async def main():
        async with Engine.open(**place) as owner, Engine.open(**place, recover="none") as other:
            handle, question = await asked(owner, blueprint([ASK]))
            token = (await other.mint_token("op", "operator", max_uses=1)).text
            with pytest.raises(PollTimeout):
                await other.await_resume(token, question.key, 0.5)
            await handle.cancel()

    run(main())


def test_a_large_answer_is_had_late():
    async def test(engine):
        handle, question = await asked(engine, blueprint([ASK]))
        await engine.resume(None, question.key, LARGE)
        await handle.result()
        assert await engine.await_resume(None, question.key) == LARGE

    with_engine(test)


@pytest.mark.parametrize("deadline", [float("inf"), float("nan"), -5, 1e300, "soon"])
def test_a_workers_deadline_is_one_that_can_be_waited_for(deadline):
    async def test(engine):
        @engine.agent("hasty")
        async def hasty(inv):
            with pytest.raises((LimitExceeded, BadValue), match="deadline"):
                await inv.ask("?", deadline=deadline)
            return "refused"

        handle = await engine.start(blueprint([step("hasty")]))
        assert (await handle.result())["out"] == "refused"

    with_engine(test)
