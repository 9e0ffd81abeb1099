"""Questions: asked by workers and flows, answered in any order, across restarts, by those who may."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, path, step
from skep import Engine
from skep.errors import (
    AnswerRefused,
    BadValue,
    InvalidTransition,
    LimitExceeded,
    MayNotAnswer,
    PollTimeout,
    QuestionClosed,
    ResumeKeyNotFound,
    RunFailed,
)
from skep.limits import Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock


def asking(test, url="memory:", **options):
    async def main():
        async with Engine.open(url, **options) as engine:
            return await test(engine, Agents(engine))

    return run(main())


def ask(text, out="$.out", **fields):
    return {
        "kind": "ask",
        "question": {"op": "lit", "value": text},
        "audience": "senior",
        "out": path(out),
        **fields,
    }


async def open_keys(engine, count=1):
    """The keys of the open questions, once there are `count` of them."""
    while len(found := await engine.list_questions()) < count:
        await asyncio.sleep(0)
    return [question.key for question in found]


def test_a_flow_asks_and_goes_on_with_the_answer():
    async def test(engine, _):
        handle = await engine.start(blueprint([ask("ship it?"), step("echo", "$.out", "$.said")]))
        assert await handle.until_suspended()
        [question] = await engine.list_questions()
        assert (question.question, question.audience, question.run_id) == (
            "ship it?",
            ("role:senior",),
            handle.id,
        )
        assert (await engine.get_run(handle.id)).status == "suspended"
        delivered = await engine.resume(None, question.key, {"yes": True})
        assert delivered.acted
        assert (await handle.result())["said"] == {"yes": True}
        assert await engine.list_questions() == []

    asking(test)


def test_a_worker_asks_and_its_task_is_suspended_meanwhile():
    async def test(engine, _):
        @engine.agent("careful")
        async def careful(inv):
            first = await inv.ask("really?")
            second = await inv.ask("really?")
            return [first, second]

        handle = await engine.start(blueprint([step("careful")]))
        assert await handle.until_suspended()
        [key] = await open_keys(engine)
        [task] = engine.ledger.state.tasks.values()
        assert key == f"R-senior-{task.id}"
        assert (task.status, task.suspended_on) == ("suspended", key)
        await engine.resume(None, key, "yes")
        [again] = await open_keys(engine)
        assert again == f"R-senior-{task.id}-2"
        await engine.resume(None, again, "well")
        assert (await handle.result())["out"] == ["yes", "well"]
        kinds = [event["kind"] async for event in engine.run_events(handle.id)]
        assert kinds.count("senior_queried") == kinds.count("senior_answered") == 2
        assert kinds.count("task_suspended") == kinds.count("task_resumed") == 2

    asking(test)


def test_three_lanes_ask_and_are_answered_in_any_order_across_two_restarts(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    flow = {
        "kind": "fanout",
        "items": path("$.names"),
        "bind": path("$.name"),
        "body": {"kind": "ask", "question": path("$.name"), "audience": "senior", "out": path("$.answer")},
        "select": path("$.answer"),
        "out": path("$.answers"),
    }

    async def begin():
        async with Engine.open(url) as engine:
            handle = await engine.start(blueprint(flow), {"names": ["a", "b", "c"]})
            await handle.until_suspended()
            keys = {question.question: question.key for question in await engine.list_questions()}
            await engine.resume(None, keys["b"], "B")
            return handle.id, keys

    async def one_more(run_id, key):
        async with Engine.open(url, recover=run_id) as engine:
            await engine.resume(None, key, "C")
            assert len(await engine.list_questions()) == 1

    async def finish(run_id, key):
        async with Engine.open(url, recover="none") as engine:
            assert not (await engine.resume(None, key, "A")).acted, "nobody owns the run: it waits"
            with pytest.raises(QuestionClosed, match="has an answer that waits"):
                await engine.resume(None, key, "A2")
        async with Engine.open(url, recover="none") as engine:
            handle = await engine.resume_run(run_id)
            return (await handle.result())["answers"]

    run_id, keys = run(begin())
    assert set(keys) == {"a", "b", "c"}
    run(one_more(run_id, keys["c"]))
    assert run(finish(run_id, keys["a"])) == ["A", "B", "C"]


def test_questions_that_one_commit_brought_are_read_at_once(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    flow = {
        "kind": "fanout",
        "items": path("$.names"),
        "bind": path("$.name"),
        "body": {"kind": "ask", "question": path("$.name"), "audience": "senior", "out": path("$.answer")},
        "out": path("$.answers"),
    }

    async def main():
        async with Engine.open(url) as engine, Engine.open(url, recover="none") as reader:
            names = [f"n{index}" for index in range(300)]
            handle = await engine.start(blueprint([flow]), {"names": names})
            await handle.until_suspended()
            reads, read = [], reader.journal.read
            reader.journal.read = lambda *args: reads.append(args) or read(*args)
            assert [question.question for question in await reader.list_questions()] == names
            await engine.resume(None, (await reader.list_questions())[7].key, "done")
            assert [question.question for question in await reader.list_questions()] == names[:7] + names[8:]
            assert len(reads) == 3

    run(main())


def test_an_interrupted_attempt_finds_what_was_answered_and_stays_suspended_until_then(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    calls = []

    def agents(engine):
        @engine.agent("careful")
        async def careful(inv):
            calls.append((inv.attempt, dict(inv.answers)))
            return [await inv.ask("one?"), await inv.ask("two?")]

    async def begin():
        async with Engine.open(url) as engine:
            agents(engine)
            handle = await engine.start(blueprint([step("careful")]))
            await handle.until_suspended()
            await engine.resume(None, (await open_keys(engine))[0], 1)
            while not (await open_keys(engine))[0].endswith("-2"):
                await asyncio.sleep(0)
            return handle.id

    async def go_on(run_id):
        async with Engine.open(url, recover="none") as engine:
            agents(engine)
            handle = await engine.resume_run(run_id)
            assert await handle.until_suspended()
            [task] = engine.ledger.state.tasks.values()
            assert (task.status, task.live) == ("suspended", False)
            await engine.resume(None, (await open_keys(engine))[0], 2)
            return (await handle.result())["out"]

    run_id = run(begin())
    assert run(go_on(run_id)) == [1, 2]
    task = calls[1][1]
    assert [attempt for attempt, _ in calls] == [1, 2]
    assert sorted(task.values()) == [1, 2]


def test_a_failed_attempt_asks_anew():
    async def test(engine, _):
        @engine.agent("unsure")
        async def unsure(inv):
            answer = await inv.ask("go?")
            if inv.attempt == 1:
                raise ValueError(answer)
            return answer

        retry = {"max_attempts": 2, "backoff": {"initial": 0.001}}
        handle = await engine.start(blueprint([step("unsure", retry=retry)]))
        for answer in ("no", "yes"):
            await engine.resume(None, (await open_keys(engine))[0], answer)
        assert (await handle.result())["out"] == "yes"

    asking(test)


def test_an_answer_must_fit_the_schema_and_the_question_stays_open():
    async def test(engine, _):
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        handle = await engine.start(blueprint([ask("how many?", schema=schema)]))
        [key] = await open_keys(engine)
        for bad in ("three", {"n": "3"}, {}):
            with pytest.raises(AnswerRefused):
                await engine.resume(None, key, bad)
        with pytest.raises(BadValue):
            await engine.resume(None, key, float("nan"))
        with pytest.raises(LimitExceeded):
            await engine.resume(None, key, {"n": 1, "more": "x" * 2_000_000})
        await engine.resume(None, key, {"n": 3})
        assert (await handle.result())["out"] == {"n": 3}
        with pytest.raises(ResumeKeyNotFound, match="skep questions"):
            await engine.resume(None, "R-0", 1)
        with pytest.raises(QuestionClosed, match="answered by owner"):
            await engine.resume(None, key, {"n": 4})

    asking(test)


def test_a_bad_schema_is_refused_when_it_is_asked_with():
    async def test(engine, _):
        @engine.agent("asks")
        async def asks(inv):
            await inv.ask("?", schema={"type": "nonsense"})

        handle = await engine.start(blueprint([step("asks")]))
        with pytest.raises(RunFailed, match="nonsense"):
            await handle.result()

    asking(test)


def test_a_deadline_answers_with_the_default_or_fails():
    clock = FakeClock()

    async def test(engine, _):
        flow = [
            ask("first?", "$.a", deadline=60, on_timeout={"value": "nobody"}),
            {
                "kind": "try",
                "body": ask("second?", "$.b", deadline=60),
                "err_at": path("$.err"),
                "catch": {"kind": "seq", "children": []},
            },
        ]
        handle = await engine.start(blueprint(flow))
        await handle.until_suspended()
        [key] = await open_keys(engine)
        clock.advance(61_000)
        [second] = await open_keys(engine)
        assert second != key
        clock.advance(61_000)
        result = await handle.result()
        assert result["a"] == "nobody"
        assert "before its deadline" in result["err"]

    asking(test, clock=clock)


def test_the_deadline_of_an_attempt_stands_still_while_it_asks():
    clock = FakeClock()

    async def test(engine, _):
        @engine.agent("slow")
        async def slow(inv):
            return await inv.ask("?")

        handle = await engine.start(blueprint([step("slow", timeout=10)]))
        await handle.until_suspended()
        clock.advance(1_000_000)
        await engine.resume(None, (await open_keys(engine))[0], "late")
        assert (await handle.result())["out"] == "late"

    asking(test, clock=clock)


def test_who_asked_and_who_started_may_not_answer():
    async def test(engine, _):
        handle = await engine.start(
            blueprint([ask("approve?", approval=True), ask("you?", "$.b", audience="principal:alice")])
        )
        [key] = await open_keys(engine)
        with pytest.raises(MayNotAnswer, match="started the run"):
            await engine.resume(None, key, "yes")
        bob = (await engine.mint_token("bob", "senior")).text
        await engine.resume(bob, key, "yes")
        [second] = await open_keys(engine)
        with pytest.raises(MayNotAnswer, match="principal:alice"):
            await engine.resume(bob, second, "yes")
        alice = (await engine.mint_token("alice", "senior")).text
        await engine.resume(alice, second, "me")
        assert (await handle.result()) == {"out": "yes", "b": "me"}
        by = [
            event["by"]
            async for event in engine.run_events(handle.id)
            if event["kind"] == "question_answered"
        ]
        assert by == ["bob", "alice"]

    asking(test)


def test_cancelling_a_run_closes_its_questions():
    async def test(engine, _):
        handle = await engine.start(blueprint([ask("ever?")]))
        [key] = await open_keys(engine)
        await handle.cancel()
        assert await engine.list_questions() == []
        with pytest.raises(QuestionClosed):
            await engine.resume(None, key, 1)
        with pytest.raises(QuestionClosed):
            await engine.await_resume(None, key, 0)

    asking(test)


def test_await_resume_waits_and_finds_late_answers():
    async def test(engine, _):
        await engine.start(blueprint([ask("now?"), ask("then?", "$.b")]))
        [key] = await open_keys(engine)
        with pytest.raises(PollTimeout):
            await engine.await_resume(None, key, 0)
        waiting = asyncio.create_task(engine.await_resume(None, key, 60))
        await asyncio.sleep(0)
        await engine.resume(None, key, {"at": "last"})
        assert await waiting == {"at": "last"}
        assert await engine.await_resume(None, key, 0) == {"at": "last"}

    asking(test)


def test_signals_that_come_early_and_late():
    async def test(engine, _):
        flow = [
            {"kind": "wait", "signal": "first", "out": path("$.first")},
            {"kind": "wait", "signal": "go", "out": path("$.go")},
        ]
        handle = await engine.start(blueprint(flow))
        assert await handle.until_suspended()
        await engine.signal(None, handle.id, "go", 2)
        await engine.signal(None, handle.id, "first", {"n": 1})
        assert await handle.result() == {"first": {"n": 1}, "go": 2}
        with pytest.raises(InvalidTransition, match="has ended"):
            await engine.signal(None, handle.id, "go")
        with pytest.raises(BadValue, match="no signal's name"):
            await engine.signal(None, handle.id, "a b")

    asking(test)


def test_timers_of_a_flow_keep_their_wall_time_across_a_restart(tmp_path):
    url, clock = f"sqlite:///{tmp_path}/s.db", FakeClock()

    async def main():
        async with Engine.open(url, clock=clock) as engine:
            handle = await engine.start(blueprint([{"kind": "wait", "for": {"op": "lit", "value": 3600}}]))
            clock.advance(1_800_000)
        async with Engine.open(url, clock=clock, recover="none") as engine:
            handle = await engine.resume_run(handle.id)
            clock.advance(1_799_000)
            assert (await engine.get_run(handle.id)).status == "running"
            clock.advance(2_000)
            assert (await handle.wait()).status == "done"

    run(main())


class PromptClock(FakeClock):
    """As the machine's clock: what is due already comes in the loop's next turn."""

    def call_at(self, when_ms, callback):
        if when_ms <= self.now_ms():
            return asyncio.get_running_loop().call_soon(callback)
        return super().call_at(when_ms, callback)


def test_a_deadline_that_passed_while_nobody_ran_it_comes_once(tmp_path):
    url, clock = f"sqlite:///{tmp_path}/s.db", PromptClock()
    flow = ask("who?", deadline=10, on_timeout={"value": "nobody"})

    async def begin():
        async with Engine.open(url, clock=clock) as engine:
            handle = await engine.start(blueprint(flow))
            await handle.until_suspended()
            return handle.id

    async def finish(run_id):
        async with Engine.open(url, clock=clock, recover="none") as engine:
            handle = await engine.resume_run(run_id)
            result = await handle.result()
            return result, [event["kind"] async for event in engine.run_events(run_id)]

    run_id = run(begin())
    clock.advance(60_000)
    result, kinds = run(finish(run_id))
    assert result == {"out": "nobody"}
    assert kinds.count("question_asked") == 1
    assert kinds.index("run_recovered") < kinds.index("question_answered")


def test_what_no_question_can_hold_is_refused_by_name_before_anything_is_made_of_it():
    deep = []
    for _ in range(5_000):
        deep = [deep]

    async def test(engine, agents):
        refused = []

        @engine.agent("asks")
        async def asks(inv):
            for bad in ({"question": deep}, {"question": "\udcff"}, {"question": object()}, {"schema": deep}):
                with pytest.raises((BadValue, LimitExceeded)) as caught:
                    await inv.ask(**{"question": "?", **bad})
                refused.append(caught.value.code)
            with pytest.raises(BadValue, match="audience"):
                await inv.ask("?", audience=5)

        handle = await engine.start(blueprint(step("asks")), {})
        await handle.result()
        assert refused == ["E-LIMIT", "E-VALUE", "E-VALUE", "E-LIMIT"]
        assert await engine.list_questions() == []

    asking(test)


def test_an_answer_is_held_to_its_schema_however_little_is_stored_inline():
    async def test(engine, _):
        handle = await engine.start(blueprint(ask("how many?", schema={"type": "integer"})), {})
        [key] = await open_keys(engine)
        with pytest.raises(AnswerRefused):
            await engine.resume(None, key, "many")
        await engine.resume(None, key, 3)
        assert await handle.result() == {"out": 3}

    asking(test, limits=Limits(inline_value_bytes=4))


def test_a_flow_asks_nothing_larger_than_a_worker_may():
    async def test(engine, _):
        node = {**ask("?"), "question": path("$.text")}
        handle = await engine.start(blueprint(node), {"text": "x" * 2_000})
        with pytest.raises(RunFailed, match="max_question_bytes"):
            await handle.result()
        handle = await engine.start(blueprint(node), {"text": "x" * 500})
        [key] = await open_keys(engine)
        await engine.resume(None, key, 1)
        await handle.result()

    asking(test, limits=Limits(max_question_bytes=1_024))
