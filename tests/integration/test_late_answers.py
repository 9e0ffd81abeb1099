"""Answers through the store: what is past its deadline takes none, what is offered is seen by everybody."""

from __future__ import annotations

import asyncio

import pytest

from engines import blueprint, path
from skep import Engine
from skep.errors import QuestionClosed
from skep.testing.aio import run
from skep.testing.clock import FakeClock


def ask(**fields):
    question = {"op": "lit", "value": "who?"}
    return {"kind": "ask", "question": question, "audience": "senior", "out": path("$.out"), **fields}


async def asked(url, clock, **fields):
    """A run that asks and that nobody owns; its id and the question's key."""
    async with Engine.open(url, clock=clock) as engine:
        handle = await engine.start(blueprint(ask(**fields)))
        await handle.until_suspended()
        [question] = await engine.list_questions()
        return handle.id, question.key


def test_an_answer_after_the_deadline_is_refused_though_nobody_owns_the_run(tmp_path):
    url, clock = f"sqlite:///{tmp_path}/s.db", FakeClock()

    async def main():
        _, key = await asked(url, clock, deadline=10)
        async with Engine.open(url, clock=clock, recover="none") as engine:
            clock.advance(9_999)
            assert [question.key for question in await engine.list_questions()] == [key]
            clock.advance(1)
            assert await engine.list_questions() == []
            with pytest.raises(QuestionClosed, match="has passed its deadline"):
                await engine.resume(None, key, "late")

    run(main())


def test_an_answer_in_time_counts_though_the_run_is_taken_up_later(tmp_path):
    url, clock = f"sqlite:///{tmp_path}/s.db", FakeClock()

    async def main():
        run_id, key = await asked(url, clock, deadline=10, on_timeout={"value": "nobody"})
        async with Engine.open(url, clock=clock, recover="none") as engine:
            assert not (await engine.resume(None, key, "me")).acted
            clock.advance(60_000)
            return await (await engine.resume_run(run_id)).result()

    assert run(main()) == {"out": "me"}


def test_a_run_is_told_to_be_suspended_when_that_is_durable():
    async def main():
        async with Engine.open("memory:") as engine:
            handle = await engine.start(blueprint(ask()))
            durable, flushed = asyncio.Event(), engine.ledger.flushed
            engine.ledger.flushed = durable.wait
            waiting = asyncio.create_task(handle.until_suspended())
            for _ in range(10):
                await asyncio.sleep(0)
            assert not waiting.done()
            durable.set()
            assert await waiting
            engine.ledger.flushed = flushed

    run(main())


def test_how_a_question_of_an_ended_run_ended_is_known_elsewhere(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"

    async def main():
        async with Engine.open(url) as engine, Engine.open(url, recover="none") as other:
            handle = await engine.start(blueprint(ask()))
            await handle.until_suspended()
            [question] = await engine.list_questions()
            await engine.resume(None, question.key, "me")
            await handle.result()
            with pytest.raises(QuestionClosed, match="was answered by owner"):
                await other.resume(None, question.key, "you")
            assert await other.await_resume(None, question.key) == "me"
            cancelled = await engine.start(blueprint(ask()))
            await cancelled.until_suspended()
            [question] = await engine.list_questions()
            await cancelled.cancel()
            with pytest.raises(QuestionClosed, match="taken back"):
                await other.resume(None, question.key, "you")

    run(main())
