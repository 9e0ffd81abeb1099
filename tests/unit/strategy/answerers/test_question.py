from __future__ import annotations

import jsonschema_rs
import pytest

from engines import blueprint, step
from skep import Engine
from skep.errors import AnswerRefused, AnswerTimeout, AttemptEnded, LimitExceeded, QuestionClosed
from skep.strategy.answerers import Question
from skep.strategy.answerers.base import read_reply
from skep.strategy.answerers.question import SCHEMA
from skep.strategy.queries import Answer, Error, Query, Usage
from skep.testing.aio import in_loop, run
from skep.testing.clock import FakeClock
from skep.testing.workers import FakeAttempt

QUERY = Query(id="q1-0", prompt="Why?", options={"temperature": 0})


class Refusing(FakeAttempt):
    def __init__(self, error):
        super().__init__()
        self.error = error

    async def ask(self, question, **how):
        raise self.error


class Noting(FakeAttempt):
    async def ask(self, question, **how):
        self.how = how
        return await super().ask(question, **how)


@pytest.mark.parametrize(
    ("given", "reply"),
    [
        ("Because.", Answer("Because.")),
        (8, Answer("8")),
        ({"text": "Because.", "usage": {"prompt_tokens": 3}}, Answer("Because.", Usage(prompt_tokens=3))),
        ({"error": "no idea"}, Error("no idea")),
    ],
)
def test_an_answer_may_be_text_or_more(given, reply):
    attempt = FakeAttempt(answers=[given])
    assert run(Question(attempt)(QUERY)) == reply
    assert attempt.asked == [{"query_id": "q1-0", "prompt": "Why?", "options": {"temperature": 0}}]


def test_audience_deadline_and_default_go_along():
    attempt = Noting(answers=["fine"])
    run(Question(attempt, audience=["seat:desk"], deadline=5.0, default=Error("nobody"))(QUERY))
    assert attempt.how == {
        "audience": ["seat:desk"],
        "deadline": 5.0,
        "default": {"error": "nobody"},
        "schema": SCHEMA,
    }


def test_without_a_default_there_is_none():
    attempt = Noting(answers=["fine"])
    run(Question(attempt)(QUERY))
    assert "default" not in attempt.how


@pytest.mark.parametrize(
    "error", [AnswerTimeout("too late"), QuestionClosed("taken back"), LimitExceeded("max_asks", 3)]
)
def test_no_answer_is_an_error_that_the_strategy_may_catch(error):
    assert run(Question(Refusing(error))(QUERY)) == Error(f"{error.code} {error}")


def test_what_is_no_answer_after_all_is_an_error():
    reply = run(Question(FakeAttempt(answers=[{"score": 3}]))(QUERY))
    assert reply.message.startswith("E-VALUE q1-0: no answer")


def test_the_end_of_the_attempt_is_not_for_the_strategy():
    with pytest.raises(AttemptEnded):
        run(Question(Refusing(AttemptEnded("over")))(QUERY))


@pytest.mark.parametrize(
    "value", ["x", 1, 0.5, True, {"text": "x"}, {"text": "x", "usage": {}}, {"error": "x"}]
)
def test_the_schema_takes_what_can_be_read(value):
    jsonschema_rs.validate(SCHEMA, value)
    read_reply(value)


@pytest.mark.parametrize("value", [None, [], {}, {"text": 5}, {"text": "x", "error": "y"}, {"x": 1}])
def test_the_schema_refuses_what_cannot(value):
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, value)


async def started(engine, **how):
    """A run whose only step asks the query; its handle and the question."""

    @engine.agent("asker")
    async def asker(inv):
        reply = await Question(inv._ctx.channel, **how)(QUERY)
        return reply.text if isinstance(reply, Answer) else reply.message

    handle = await engine.start(blueprint(step("asker")), {})
    await handle.until_suspended()
    [question] = await engine.list_questions()
    return handle, question


@in_loop
async def test_anyone_answers_through_a_real_engine():
    async with Engine.open("memory:") as engine:
        handle, question = await started(engine)
        assert question.question == {"query_id": "q1-0", "prompt": "Why?", "options": {"temperature": 0}}
        with pytest.raises(AnswerRefused):
            await engine.resume(None, question.key, {"score": 3})
        await engine.resume(None, question.key, {"text": "Because.", "usage": {"prompt_tokens": 3}})
        assert (await handle.result())["out"] == "Because."


@pytest.mark.parametrize(("default", "said"), [("Time is up.", "Time is up."), (None, "E-ASK-TIMEOUT")])
@in_loop
async def test_a_deadline_has_its_default_or_is_an_error(default, said):
    clock = FakeClock()
    async with Engine.open("memory:", clock=clock) as engine:
        handle, _ = await started(engine, deadline=10, default=default)
        clock.advance(10_000)
        assert (await handle.result())["out"].startswith(said)
