"""Strategies as steps of a run: anyone answers their Questions, and they come back after a restart."""

from __future__ import annotations

import asyncio

import pytest

from engines import blueprint, path
from skep import Engine
from skep.errors import BlueprintError, RunFailed
from skep.testing.aio import run

TWO_ASKS = """
  local seen = {alc.time(), math.random(1e9)}
  for name in pairs({a = 1, b = 2, c = 3, d = 4}) do seen[#seen + 1] = name end
  local first = alc.llm('one? ' .. ctx.task, {system = 'be brief', temperature = 0})
  local rest = alc.llm_batch({{prompt = first .. ' two?'}, {prompt = first .. ' three?'}})
  return {result = table.concat({first, rest[1], rest[2]}, ','), seen = seen}
"""


def strategy(source=TWO_ASKS, **spec):
    agent = {"name": "think", "kind": "strategy", "spec": {"source": source, **spec}}
    step = {"kind": "step", "ref": "think", "in": path("$"), "out": path("$.out")}
    return blueprint(step, agents=[agent])


async def answer(engine, *texts):
    """Answer what is asked, each text once it is asked for."""
    for text in texts:
        while not (open_now := await engine.list_questions()):
            await asyncio.sleep(0)
        await engine.resume(None, open_now[0].key, text)


def test_its_queries_are_questions_of_the_run():
    async def main():
        async with Engine.open("memory:") as engine:
            handle = await engine.start(strategy(), {"task": "t"})
            assert await handle.until_suspended()
            [question] = await engine.list_questions()
            assert question.question == {
                "query_id": "q1-0",
                "prompt": "one? t",
                "system": "be brief",
                "options": {"temperature": 0},
            }
            await answer(engine, "A", "B", {"text": "C", "usage": {"completion_tokens": 1}})
            return await handle.result()

    assert run(main())["out"] == "A,B,C"


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_after_a_restart_it_stands_where_it_stood(tmp_path, answered):
    url = f"sqlite:///{tmp_path}/s.db"
    texts = ["A", "B", "C"]

    async def begin():
        async with Engine.open(url) as engine:
            handle = await engine.start(strategy(), {"task": "t"})
            await handle.until_suspended()
            await answer(engine, *texts[:answered])
            await handle.until_suspended()
            return handle.id, [question.key for question in await engine.list_questions()]

    async def go_on(run_id, keys):
        async with Engine.open(url, recover="none") as engine:
            handle = await engine.resume_run(run_id)
            await handle.until_suspended()
            assert [question.key for question in await engine.list_questions()] == keys
            await answer(engine, *texts[answered:])
            return await handle.result()

    run_id, keys = run(begin())
    assert run(go_on(run_id, keys))["out"] == "A,B,C"


def test_what_it_saw_before_a_restart_is_what_it_sees_after(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    source = """
      local seen = {alc.time(), os.time(), math.random(1e9), os.getenv('SKEP_TEST_VARIABLE') or 'nothing'}
      for name in pairs({a = 1, b = 2, c = 3, d = 4}) do seen[#seen + 1] = name end
      alc.llm(alc.json_encode(seen))
      return alc.json_encode(seen)
    """

    async def begin():
        async with Engine.open(url) as engine:
            handle = await engine.start(strategy(source), {})
            await handle.until_suspended()
            [question] = await engine.list_questions()
            return handle.id, question.question["prompt"]

    async def go_on(run_id):
        async with Engine.open(url, recover="none") as engine:
            handle = await engine.resume_run(run_id)
            await answer(engine, "x")
            return await handle.result()

    run_id, seen = run(begin())
    assert run(go_on(run_id))["out"] == seen


def test_an_attempt_after_a_failed_one_begins_anew():
    source = "local said = alc.llm('well?') if said == 'bad' then error('bad answer') end return said"

    async def main():
        async with Engine.open("memory:") as engine:
            plan = strategy(source)
            agent = {
                "name": "think",
                "kind": "strategy",
                "spec": {"source": source},
                "retry": {"max_attempts": 2},
            }
            plan = blueprint(
                {"kind": "step", "ref": "think", "in": path("$"), "out": path("$.out")}, agents=[agent]
            )
            handle = await engine.start(plan, {})
            await answer(engine, "bad", "good")
            return await handle.result()

    assert run(main())["out"] == "good"


def test_a_lua_error_fails_the_step_with_its_place():
    async def main():
        async with Engine.open("memory:") as engine:
            return await (await engine.start(strategy("\nerror('no good')"), {})).result()

    with pytest.raises(RunFailed, match="think:2: no good"):
        run(main())


def test_cancelling_the_run_ends_a_busy_strategy():
    async def main():
        async with Engine.open("memory:") as engine:
            handle = await engine.start(strategy("alc.log('info', 'busy') while true do end"), {})
            async for event in handle.events():
                if event["kind"] == "task_attempt_started":
                    break
            await handle.cancel()
            return (await handle.wait()).status

    assert run(main(), 20) == "cancelled"


def test_a_deadline_is_an_error_that_the_script_may_catch():
    async def main():
        async with Engine.open("memory:") as engine:
            plan = strategy("return alc.llm_safe('well?', nil, 'nobody')", deadline=0.01)
            return await (await engine.start(plan, {})).result()

    assert run(main())["out"] == "nobody"


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"strategy": "../x"}, "E-FIELD-FORM"),
        ({"strategy": "sc", "source": "return 1"}, "E-FIELD-TWICE"),
        ({"audience": ["nobody"]}, "E-FIELD-FORM"),
        ({"budget": {"max_tokens": -1}}, "E-FIELD-RANGE"),
        ({"sorce": "x"}, "E-FIELD-UNKNOWN"),
    ],
)
def test_a_spec_that_cannot_be_used_is_told_by_lint(spec, code):
    async def main():
        async with Engine.open("memory:") as engine:
            agent = {"name": "think", "kind": "strategy", "spec": spec}
            step = {"kind": "step", "ref": "think", "in": path("$"), "out": path("$.out")}
            await engine.start(blueprint(step, agents=[agent]), {})

    with pytest.raises(BlueprintError) as caught:
        run(main())
    assert code in {problem.code for problem in caught.value.problems}
