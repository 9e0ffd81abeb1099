"""Operator work: offered to a seat, claimed under a lease, completed by a handle."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, step
from operators import GIVEN, JUDGED, begin, kinds, offered, own_worker, seats, token, working
from skep import Engine
from skep.core.outputs import Progress, final
from skep.errors import (
    AttemptEnded,
    BadValue,
    BlueprintError,
    MayNotAnswer,
    QuestionClosed,
    RunFailed,
    TokenExpired,
    TokenNotFound,
    WorkHeld,
)
from skep.limits import Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock


def test_an_item_is_listed_claimed_and_completed():
    async def test(engine):
        handle, item = await begin(engine, profile={"system_prompt": "Judge {{ directive }}."})
        assert await handle.until_suspended()
        assert (await engine.get_run(handle.id)).status == "suspended"
        [task] = engine.ledger.state.tasks.values()
        assert (task.status, task.work) == ("running", item.key)
        assert (item.seat, item.run_id, item.attempt, item.holder) == ("red", handle.id, 1, None)
        payload = {
            "task_id": task.id,
            "attempt": 1,
            "agent": "judge",
            "system": "Judge hello.",
            "prompt": "hello",
        }
        assert item.payload == payload
        claimed = await engine.claim(None, item.key)
        assert claimed.payload == payload
        assert (claimed.generation, claimed.task_id, claimed.run_id) == (1, task.id, handle.id)
        assert claimed.handle not in repr(claimed)
        [held] = await engine.list_work()
        assert (held.holder, held.generation, held.lease_until) == ("owner", 1, claimed.lease_until)
        assert (await engine.complete(claimed.handle, item.key, {"verdict": "pass"})).acted
        assert (await handle.result())["out"] == {"verdict": "pass"}
        assert await engine.list_work() == []
        said = await kinds(engine, handle.id)
        assert [kind for kind in said if kind.startswith(("question", "work"))] == [
            "question_asked",
            "work_claimed",
            "worker_output",
            "question_answered",
        ]

    working(test)


def test_of_two_claims_at_once_one_wins():
    async def test(engine):
        _, item = await begin(engine)
        anna, ben = await token(engine), await token(engine, principal="ben")
        won = await asyncio.gather(
            *(engine.claim(who, item.key) for who in (anna, ben)), return_exceptions=True
        )
        claims = [claim for claim in won if not isinstance(claim, Exception)]
        refused = [error for error in won if isinstance(error, Exception)]
        assert len(claims) == 1
        assert [type(error) for error in refused] == [WorkHeld]
        [held] = await engine.list_work()
        assert held.holder in str(refused[0])

    working(test)


def test_a_takeover_ends_the_old_handle_at_once():
    async def test(engine):
        handle, item = await begin(engine)
        anna, ben = await token(engine), await token(engine, principal="ben")
        first = await engine.claim(anna, item.key)
        assert await engine.fetch_prompt(first.handle, item.task_id) == "hello"
        with pytest.raises(WorkHeld):
            await engine.release(ben, item.key, 1)
        second = await engine.takeover(ben, item.key)
        assert second.generation == 2
        with pytest.raises(TokenNotFound):
            await engine.complete(first.handle, item.key, "old")
        with pytest.raises(TokenNotFound):
            await engine.fetch_prompt(first.handle, item.task_id)
        for by, generation in ((anna, 1), (anna, 2), (ben, 1)):
            with pytest.raises(WorkHeld):
                await engine.renew(by, item.key, generation)
        assert await engine.renew(second.handle, item.key, 2, lease=400) >= second.lease_until
        await engine.complete(second.handle, item.key, "new")
        assert (await handle.result())["out"] == "new"

    working(test)


def test_a_released_item_is_offered_again():
    async def test(engine):
        handle, item = await begin(engine)
        anna = await token(engine)
        first = await engine.claim(anna, item.key)
        await engine.release(first.handle, item.key, first.generation)
        [open_] = await engine.list_work(seat="red")
        assert (open_.holder, open_.generation) == (None, 1)
        for act in (engine.renew, engine.release):
            with pytest.raises(WorkHeld, match="nobody holds"):
                await act(anna, item.key, 1)
        with pytest.raises(TokenNotFound):
            await engine.emit(first.handle, item.key, final(1))
        second = await engine.claim(anna, item.key)
        await engine.release(anna, item.key, 2)
        assert second.generation == 2
        assert await engine.list_work(seat="blue") == []
        assert await handle.until_suspended()

    working(test)


def test_a_lease_that_runs_out_offers_the_item_again():
    clock = FakeClock()

    async def test(engine):
        handle, item = await begin(engine)
        claimed = await engine.claim(None, item.key, lease=10)
        clock.advance(9_000)
        assert await engine.renew(claimed.handle, item.key, 1, lease=10) == clock.now_ms() + 10_000
        clock.advance(9_999)
        assert (await engine.list_work())[0].holder == "owner"
        clock.advance(1)
        [item] = await engine.list_work()
        assert (item.holder, item.generation) == (None, 1)
        assert engine.stats()["work_leases_expired"] == 1
        with pytest.raises(TokenNotFound):
            await engine.complete(claimed.handle, item.key, "late")
        second = await engine.claim(None, item.key)
        clock.advance(1_000)
        assert second.lease_until == clock.now_ms() - 1_000 + 300_000, "the default lease"
        await engine.complete(second.handle, item.key, "in time")
        assert (await handle.result())["out"] == "in time"
        assert (await kinds(engine, handle.id)).count("work_released") == 1
        assert clock.waiting == 0

    working(test, clock=clock)


def test_the_same_submit_again_is_answered_and_nothing_else_is_after_the_end():
    async def test(engine):
        handle, item = await begin(engine)
        claimed = await engine.claim(await token(engine), item.key)
        await engine.complete(claimed.handle, item.key, [1])
        await engine.complete(claimed.handle, item.key, [1])
        for value, ok in (([2], True), ([1], False)):
            with pytest.raises(TokenNotFound):
                await engine.complete(claimed.handle, item.key, value, ok=ok)
        assert (await handle.result())["out"] == [1]
        await engine.complete(claimed.handle, item.key, [1])
        with pytest.raises(TokenNotFound):
            await engine.complete(claimed.handle, item.key, [2])
        with pytest.raises(TokenNotFound):
            await engine.emit(claimed.handle, item.key, Progress("more"))
        with pytest.raises(TokenNotFound):
            await engine.fetch_prompt(claimed.handle, item.task_id)
        with pytest.raises(QuestionClosed, match="answered by anna"):
            await engine.claim(None, item.key)
        assert (await kinds(engine, handle.id)).count("worker_output") == 1

    working(test)


def test_outputs_come_by_the_handle_and_the_first_final_is_the_join():
    async def test(engine):
        handle, item = await begin(engine)
        claimed = await engine.claim(None, item.key)
        await engine.emit(claimed.handle, item.key, Progress("reading"))
        live = engine.questions.work.channel(engine.ledger.state.questions[item.key])
        with pytest.raises(AttemptEnded, match="last output"):
            live.emit_many([final(1), final(2)])
        await engine.submit_output(claimed.handle, item.task_id, 1, final({"n": 1}, ok=True))
        with pytest.raises((AttemptEnded, TokenNotFound)):
            await engine.submit_output(claimed.handle, item.task_id, 1, final({"n": 2}, ok=True))
        with pytest.raises(AttemptEnded):
            live.emit(final(2))
        assert (await handle.result())["out"] == {"n": 1}

    working(test)


def test_a_result_that_cannot_be_recorded_leaves_the_item_open():
    async def test(engine):
        handle, item = await begin(engine)
        claimed = await engine.claim(None, item.key)
        for bad in (float("nan"), {1: 2}, b"x"):
            with pytest.raises(BadValue):
                await engine.complete(claimed.handle, item.key, bad)
        await engine.complete(claimed.handle, item.key, "x" * 100_000)
        assert (await handle.result())["out"] == "x" * 100_000

    working(test)


def test_an_answer_to_an_unclaimed_item_completes_it_and_a_claimed_one_is_held():
    async def test(engine):
        handle, item = await begin(engine)
        claimed = await engine.claim(None, item.key)
        with pytest.raises(WorkHeld, match="owner works on"):
            await engine.resume(None, item.key, "no")
        await engine.release(None, item.key, claimed.generation)
        assert (await engine.resume(None, item.key, {"verdict": "pass"})).acted
        assert (await handle.result())["out"] == {"verdict": "pass"}
        [output] = [event async for event in engine.run_events(handle.id) if event["kind"] == "worker_output"]
        assert output["by"] == "owner"
        assert await engine.await_resume(None, item.key) == {"verdict": "pass"}

    working(test)


def test_who_holds_an_item_may_ask_and_the_deadline_stands_still():
    clock = FakeClock()

    async def test(engine):
        handle, item = await begin(engine, timeout=10)
        claimed = await engine.claim(None, item.key)
        clock.advance(9_000)
        key = await engine.ask(claimed.handle, item.key, "which one?")
        assert key == f"R-senior-{item.task_id}"
        assert engine.ledger.state.tasks[item.task_id].status == "suspended"
        clock.advance(60_000)
        with pytest.raises(MayNotAnswer):
            engine.questions.answer(key, "mine", own_worker(handle.id))
        await engine.resume(None, key, "the second")
        assert await engine.await_resume(None, key) == "the second"
        assert await engine.ask(claimed.handle, item.key, "which one?") == f"{key}-2"
        await engine.resume(None, f"{key}-2", "still")
        clock.advance(900)
        await engine.complete(claimed.handle, item.key, "done")
        assert (await handle.result())["out"] == "done"

    working(test, clock=clock)


def test_a_handle_is_good_while_the_deadline_stands_still():
    clock = FakeClock()

    async def test(engine):
        handle, item = await begin(engine, timeout=60)
        claimed = await engine.claim(None, item.key)
        key = await engine.ask(claimed.handle, item.key, "which one?")
        clock.advance(100_000)
        await engine.renew(claimed.handle, item.key, claimed.generation)
        await engine.resume(None, key, "the second")
        assert await engine.await_resume(claimed.handle, key) == "the second"
        clock.advance(59_000)
        await engine.renew(claimed.handle, item.key, claimed.generation)
        await engine.complete(claimed.handle, item.key, "done")
        assert (await handle.result())["out"] == "done"

    working(test, clock=clock)


def test_an_item_may_be_taken_up_days_after_it_was_offered():
    clock = FakeClock()

    async def test(engine):
        handle, item = await begin(engine)
        clock.advance(3 * 86_400_000)
        claimed = await engine.claim(None, item.key)
        await engine.emit(claimed.handle, item.key, Progress("at last"))
        clock.advance(200_000)
        await engine.renew(claimed.handle, item.key, 1)
        clock.advance(200_000)
        await engine.complete(claimed.handle, item.key, "done")
        assert (await handle.result())["out"] == "done"

    working(test, clock=clock)


def test_a_deadline_ends_the_attempt_and_its_item():
    clock = FakeClock()

    async def test(engine):
        handle, item = await begin(engine, timeout=10)
        claimed = await engine.claim(None, item.key)
        clock.advance(10_000)
        with pytest.raises(TokenExpired):
            await engine.complete(claimed.handle, item.key, "too late")
        with pytest.raises(AttemptEnded):
            await engine.complete(None, item.key, "too late")
        with pytest.raises(RunFailed, match="no result within 10 s"):
            await handle.result()
        assert await engine.list_work() == []
        with pytest.raises(QuestionClosed):
            await engine.claim(None, item.key)

    working(test, clock=clock)


def test_a_blocked_completion_is_tried_again_under_a_new_key():
    async def test(engine):
        retry = {"max_attempts": 2, "on": ["blocked"], "backoff": {"initial": 0.01}}
        handle, first = await begin(engine, retry=retry)
        claimed = await engine.claim(None, first.key)
        await engine.complete(claimed.handle, first.key, "cannot", ok=False)
        [second] = await offered(engine)
        assert second.key != first.key
        assert (second.attempt, second.payload["attempt"], second.generation) == (2, 2, 0)
        with pytest.raises(TokenNotFound):
            await engine.complete(claimed.handle, second.key, "with the old handle")
        again = await engine.claim(None, second.key)
        await engine.complete(again.handle, second.key, "can")
        assert (await handle.result())["out"] == "can"

    working(test)


def test_a_blocked_completion_without_a_retry_fails_the_step():
    async def test(engine):
        handle, item = await begin(engine)
        claimed = await engine.claim(None, item.key)
        await engine.complete(claimed.handle, item.key, {"verdict": "no"}, ok=False)
        with pytest.raises(RunFailed, match="blocked"):
            await handle.result()

    working(test)


@pytest.mark.parametrize("what", ["task", "run"])
def test_cancelling_while_it_is_held_closes_the_item(what):
    async def test(engine):
        handle, item = await begin(engine)
        claimed = await engine.claim(None, item.key)
        if what == "run":
            await handle.cancel("enough")
        else:
            await engine.cancel_task(await token(engine), item.task_id)
        with pytest.raises((TokenNotFound, AttemptEnded)):
            await engine.complete(claimed.handle, item.key, 1)
        with pytest.raises(RunFailed):
            await handle.result()
        assert await engine.list_work() == []
        said = await kinds(engine, handle.id)
        assert said.count("question_closed") == 1
        assert not engine.ledger.state.handles
        assert not engine.ledger.state.questions

    working(test)


def test_an_operator_ref_must_be_declared_and_nobody_need_be_there():
    """Rows 26 and 27 of the reference's table: 27 differs, a seat without anybody waits."""

    async def test(engine):
        with pytest.raises(BlueprintError) as error:
            await engine.start(seats(JUDGED, name="rde"))
        [problem] = error.value.problems
        assert (problem.code, problem.place) == ("E-OPERATOR-REF", "agents[0].spec.operator_ref")
        assert "red" in (problem.fix or "")
        with pytest.raises(BlueprintError):
            await engine.start(blueprint(JUDGED, agents=[{"name": "judge", "kind": "operator"}]))
        handle, _ = await begin(engine)
        assert await handle.until_suspended()

    working(test)


def test_a_run_is_suspended_only_while_nothing_else_goes_on():
    flow = {
        "kind": "parallel",
        "branches": {"a": step("judge", "$.text"), "b": step("gate")},
        "join": "all",
        "out": {"op": "path", "at": "$.all"},
    }

    async def main():
        async with Engine.open("memory:") as engine:
            agents = Agents(engine)
            handle = await engine.start(seats(flow), GIVEN)
            [item] = await offered(engine)
            await agents.started.wait()
            assert (await engine.get_run(handle.id)).status == "running"
            agents.release.set()
            assert await handle.until_suspended()
            claimed = await engine.claim(None, item.key)
            assert (await engine.get_run(handle.id)).status == "suspended"
            await engine.complete(claimed.handle, item.key, 1)
            await handle.result()

    run(main())


def test_a_prompt_above_the_bound_of_questions_is_offered_all_the_same():
    async def test(engine):
        _, item = await begin(engine, given={"text": "x" * 2_000_000})
        assert len(item.payload["prompt"]) == 2_000_000

    working(test, limits=Limits(max_question_bytes=1_000))


def test_a_verdict_from_above_closes_the_item():
    async def test(engine):
        handle, item = await begin(engine)
        claimed = await engine.claim(None, item.key)
        await engine.override_verdict(None, item.task_id, True, value={"verdict": "fine"})
        with pytest.raises((TokenNotFound, AttemptEnded)):
            await engine.complete(claimed.handle, item.key, "no")
        assert (await handle.result())["out"] == {"verdict": "fine"}
        assert await engine.list_work() == []

    working(test)
