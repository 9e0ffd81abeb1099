"""What holds for each bundled strategy."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from bundled_plays import PLAYS
from bundled_strategies import Driven, drive
from skep.strategy import Completed, Failed, Query, StrategyHost, runtime
from skep.strategy.bundled import BUNDLED
from skep.strategy.environment import Environment
from skep.testing.aio import run

every = pytest.mark.parametrize("name", PLAYS)


def played(name: str, **how: Any) -> Driven:
    play = PLAYS[name]
    return drive(name, play.answers, **{"task": "a task", **play.ctx, **how})


@functools.cache
def usual(name: str) -> Driven:
    return played(name)


@functools.cache
def spec(name: str) -> dict[str, Any]:
    async def go() -> Any:
        async with StrategyHost() as host:
            return await host.eval_simple(f"return require('{name}').spec.entries.run.input.fields")

    return run(go())


def test_each_has_a_play():
    folders = {path.name for path in BUNDLED.iterdir() if (path / "init.lua").exists()}
    assert set(PLAYS) == folders - {"skep_kit", "skep_shapes"}


@every
def test_the_result_has_the_shape_that_it_declares(name):
    ctx = {"result": usual(name).result}
    code = f"return {{require('skep_shapes').check(ctx.result, require('{name}').spec.entries.run.result)}}"

    async def go() -> Any:
        async with StrategyHost() as host:
            return await host.run(code, ctx, answer=NotImplemented)

    end = run(go())
    assert isinstance(end, Completed), end
    assert end.result == [True]
    assert usual(name).result["answer"]


@every
def test_it_says_the_same_when_its_vm_is_dropped_at_each_question(name):
    again = played(name, evict=True)
    assert again.result == usual(name).result
    assert again.asked == usual(name).asked


@every
def test_it_needs_nothing_that_an_untrusted_script_has_not(name, monkeypatch):
    def untrusted(**given: Any) -> Environment:
        return Environment(**{**given, "profile": "untrusted"})

    monkeypatch.setattr(runtime, "Environment", untrusted)
    assert played(name).result == usual(name).result


@every
def test_one_call_too_few_ends_it_with_what_it_has_or_with_the_published_error(name):
    calls = len(usual(name).asked) - 1
    driven = played(name, calls=calls)
    assert len(driven.asked) <= calls
    if isinstance(driven.end, Failed):
        assert f"budget_exceeded: max_llm_calls ({calls}) reached" in driven.error
    else:
        assert driven.result["stopped"] == "budget"


@every
def test_without_any_budget_it_asks_nothing(name):
    driven = played(name, calls=0)
    assert driven.asked == []
    assert "budget_exceeded: max_llm_calls (0) reached (0 used)" in driven.error


@every
def test_that_there_is_no_answer_is_its_error(name):
    assert "no answer is written for query" in drive(name, [], **{"task": "t", **PLAYS[name].ctx}).error


@every
@pytest.mark.parametrize(
    ("ctx", "said"),
    [
        ({}, "ctx.task must be a string"),
        ({"task": None}, "ctx.task must be a string"),
        ({"task": ["x"]}, "ctx.task must be a string"),
        ({"task": " \n"}, "ctx.task must not be blank"),
        ({"task": "x", "llm": "fast"}, "ctx.llm must be an object"),
        ({"task": "x", "llm": {"prompt": "y"}}, "ctx.llm.prompt must be left out"),
    ],
)
def test_a_bad_task_is_named(name, ctx, said):
    driven = drive(name, [], **ctx)
    assert driven.error == f"{name}: {said}"
    assert driven.asked == []


@every
def test_each_option_is_checked(name):
    for option, shape in spec(name).items():
        if shape["kind"] in {"integer", "number"}:
            bad: Any = shape["max"] + 1
        else:
            bad = 1 if shape["kind"] != "array" else {"x": 1}
        driven = drive(name, [], **{"task": "x", option: bad})
        assert driven.error.startswith(f"{name}: ctx.{option} must be "), option
        assert driven.asked == []


def test_they_run_in_pipes_and_forks():
    async def answer(query: Query) -> str:
        return f"Answer: {len(query.prompt) > 0}"

    async def go() -> Any:
        async with StrategyHost() as host:
            code = (
                "local forked = alc.fork({'sc', 'cot'}, ctx, {on_error = 'abort'})"
                " local piped = alc.pipe({'plan_solve', 'sc'}, ctx)"
                " return {forked[1].result.result.answer, forked[2].result.result.answer, piped.result.answer}"
            )
            return await host.run(code, {"task": "t"}, answer=answer)

    assert run(go()).result == ["True", "Answer: True", "True"]
