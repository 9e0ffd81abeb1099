"""What is asked of another process through the store: carried out, refused, or left, and said so."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw

from engines import Agents, blueprint, lit, path, step
from skep import Engine
from skep.core.outputs import Artifact, Blob, Final, Inline, Partial
from skep.engine.acts import task_guard
from skep.engine.acts import tasks as acts
from skep.engine.inbox import elsewhere, pump
from skep.errors import (
    BadValue,
    InvalidTransition,
    LimitExceeded,
    MayNotAnswer,
    PollTimeout,
    QuestionClosed,
    TaskNotFound,
    TokenNotFound,
)
from skep.limits import Limits
from skep.testing.aio import run

ASK = {"kind": "ask", "question": lit("ok?"), "audience": ["senior"], "out": path("$.answer")}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for module in (elsewhere, pump):
        monkeypatch.setattr(module, "POLL_SECONDS", 0.005)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/s.db"


@pytest.fixture
def options(tmp_path):
    return {"home": tmp_path / "home", "recover": "none"}


def judged(**fields):
    return blueprint(
        step("judge"),
        agents=[{"name": "judge", "kind": "operator", "spec": {"operator_ref": "red"}, **fields}],
        operators=[{"name": "red"}],
    )


async def asked_in_a_session(engine):
    """A session's task that asks: the session's token, the task, its key."""

    @engine.agent("asker")
    async def asker(inv):
        return await inv.ask("ok?")

    token = await engine.attach("ada", "operator")
    task_id = await engine.start_task(token, "asker", {})
    suspended = await engine.dispatch_attempt(token, task_id)
    return token, task_id, suspended.key


async def claimed(owner, other, **fields):
    handle = await owner.start(judged(**fields), {})
    while not (items := await other.list_work()):
        await asyncio.sleep(0.005)
    return handle, await other.claim(None, items[0].key)


# -- sessions ------------------------------------------------------------------------------------


def test_a_question_of_a_sessions_task_is_answered_from_another_process(url, options):
    async def main():
        async with Engine.open(url, **options) as owner, Engine.open(url, **options) as other:
            token, task_id, key = await asked_in_a_session(owner)
            assert (await other.resume(None, key, "yes")).acted
            assert await other.list_questions() == []
            assert (await owner.poll_task(token, task_id, 5)).status == "pass"
            assert owner.stats().get("inbox_dropped", 0) == 0

    run(main())


def test_what_a_session_asked_ends_with_its_host_for_who_answers(url, options):
    async def main():
        async with Engine.open(url, **options) as owner:
            token, task_id, key = await asked_in_a_session(owner)
        async with Engine.open(url, **options) as other:
            for _ in range(2):
                with pytest.raises(QuestionClosed, match="its task was cancelled"):
                    await other.resume(None, key, "yes")
            assert await other.list_questions() == []
            assert (await other.read_task_state(token, task_id)).status == "cancelled"
            log = f"session:{(await other.list_sessions())[0].id}"
            kinds = [type(recorded.event).__name__ for recorded in await other.journal.read(log)]
            assert kinds[-3:] == ["QuestionClosed", "TaskCancelled", "TaskAttemptCompleted"]

    run(main())


@pytest.mark.parametrize("how", ["token", "recovery"])
def test_what_a_session_left_open_is_closed_by_who_takes_it_up_and_by_recovery(url, options, how):
    async def main():
        async with Engine.open(url, **options) as owner:
            token, task_id, _ = await asked_in_a_session(owner)
            idle = await owner.start_task(token, "asker", {})
        async with Engine.open(url, **options) as other:
            if how == "token":
                await other.heartbeat(token)
            else:
                await other.recover_all()
            assert await other.list_questions() == []
            assert (await other.heartbeat(token)).owned_task_ids == ()
            for one in (task_id, idle):
                assert (await other.read_task_state(token, one)).status == "cancelled"
            fresh = await asked_in_a_session(other)
            assert [question.key for question in await other.list_questions()] == [fresh[2]]
            await other.recover_all()
            assert len(await other.list_questions()) == 1, "its owner lives"

    run(main())


# -- outputs of work items -----------------------------------------------------------------------


def test_every_output_of_a_work_item_goes_through_the_store(url, options):
    async def main():
        async with Engine.open(url, **options) as owner, Engine.open(url, **options) as other:
            handle, claim = await claimed(owner, other)
            await other.emit(claim.handle, claim.key, Partial("half"))
            await other.emit(claim.handle, claim.key, Artifact("part", Inline(Raw(b'{"b":1,"a":2}'))))
            await other.emit(claim.handle, claim.key, Final(Inline(Raw(b'"good"'))))
            assert (await handle.result())["out"] == "good"
            outputs = [
                recorded.event
                for recorded in await owner.journal.read(f"run:{handle.id}")
                if type(recorded.event).__name__ == "WorkerOutput"
            ]
            assert [type(output.event).__name__ for output in outputs] == ["Artifact", "Final"]
            assert all(output.request for output in outputs)

    run(main())


def test_outputs_that_cannot_be_taken_are_refused_where_they_are_sent(url, options):
    async def main():
        limits = Limits(output_tail=2)
        async with (
            Engine.open(url, limits=limits, **options) as owner,
            Engine.open(url, limits=limits, **options) as other,
        ):
            handle, claim = await claimed(owner, other)
            for wrong in (
                Partial(chunk=5),
                Artifact("a", Inline(Raw(b"{"))),
                Artifact("a", Inline("no raw")),
            ):
                with pytest.raises(BadValue, match=r"not|JSON|json"):
                    await other.emit(claim.handle, claim.key, wrong)
            with pytest.raises(BadValue, match="has refused this output"):
                await other.emit(claim.handle, claim.key, Artifact("a", Blob("0" * 64, 1)))
            for name in "ab":
                await other.emit(claim.handle, claim.key, Artifact(name, Inline(Raw(b"1"))))
            with pytest.raises(BadValue, match="has refused this output"):
                await other.emit(claim.handle, claim.key, Artifact("c", Inline(Raw(b"1"))))
            await handle.cancel()
            with pytest.raises(TokenNotFound):
                await other.emit(claim.handle, claim.key, Artifact("d", Inline(Raw(b"1"))))

    run(main())


def test_an_output_that_a_dead_owner_recorded_is_not_recorded_again(url, options):
    async def main():
        async with Engine.open(url, **options) as other:
            async with Engine.open(url, **options) as owner:

                async def never(_ids):
                    raise RuntimeError("never")

                owner.journal.settle_inbox = never
                handle, claim = await claimed(owner, other)
                await other.emit(claim.handle, claim.key, Artifact("a", Inline(Raw(b"1"))))
            async with Engine.open(url, **options) as owner:
                handle = await owner.resume_run(handle.id)
                assert (
                    len(await owner.output_tail(await owner.attach("a", "operator"), claim.task_id, 1)) == 1
                )
                await handle.cancel()

    run(main())


def test_a_claim_that_is_read_back_has_the_sessions_that_end_it(url, options):
    async def main():
        async with Engine.open(url, **options) as owner, Engine.open(url, **options) as other:
            handle = await owner.start(judged(), {})
            while not (items := await other.list_work()):
                await asyncio.sleep(0.005)
            anna = await other.mint_token("anna", "operator")
            await other.claim(anna.text, items[0].key)
            held = (await other.work_elsewhere.item(items[0].key)).claim
            assert held == owner.ledger.state.questions[items[0].key].claim
            assert held.sessions
            await handle.cancel()

    run(main())


# -- one answer, and what is refused -------------------------------------------------------------


def test_of_two_answers_that_are_left_at_once_one_is_acknowledged(url, options):
    async def main():
        async with Engine.open(url, **options) as engine:
            handle = await engine.start(blueprint([ASK]), {})
            await handle.until_suspended()
        async with Engine.open(url, **options) as one, Engine.open(url, **options) as two:
            [question] = await one.list_questions()
            left = await asyncio.gather(
                one.resume(None, question.key, 1),
                two.resume(None, question.key, 2),
                two.resume(None, question.key, 3),
                return_exceptions=True,
            )
            [kept] = [number for number, answer in enumerate(left, 1) if not isinstance(answer, Exception)]
            assert not left[kept - 1].acted
            assert all(isinstance(answer, QuestionClosed) for answer in left if isinstance(answer, Exception))
        async with Engine.open(url, **options) as engine:
            handle = await engine.resume_run(handle.id)
            assert (await handle.result())["answer"] == kept

    run(main())


def test_of_two_results_that_are_left_for_an_item_one_is_acknowledged(url, options):
    async def main():
        async with Engine.open(url, **options) as owner, Engine.open(url, **options) as other:
            handle, claim = await claimed(owner, other)
        async with Engine.open(url, **options) as other:
            for _ in range(2):  # the same again: its reply may have been lost
                assert not (await other.complete(claim.handle, claim.key, {"n": [1]})).acted
            with pytest.raises(QuestionClosed, match="has a result that waits"):
                await other.complete(claim.handle, claim.key, {"n": [2]})
        async with Engine.open(url, **options) as owner:
            handle = await owner.resume_run(handle.id)
            assert (await handle.result())["out"] == {"n": [1]}

    run(main())


@pytest.mark.parametrize("of", ["x", [], None, 1, {}, {"handle": []}])
def test_a_message_that_makes_no_sense_holds_no_other_up(url, options, of):
    async def main():
        async with Engine.open(url, **options) as owner, Engine.open(url, **options) as other:
            handle, claim = await claimed(owner, other)
            body = {
                "kind": "renew",
                "key": claim.key,
                "generation": 1,
                "lease": None,
                "of": of,
                "request": "r",
            }
            await other.journal.send(f"run:{handle.id}", body)
            async with asyncio.timeout(5):
                assert (await other.complete(claim.handle, claim.key, "pass")).acted
            assert owner.ledger.counters["inbox_dropped"] == 1
            assert owner.ledger.counters["inbox_errors"] == 0

    run(main())


def test_a_lease_that_nobody_may_have_is_refused_by_name_where_it_is_asked_for(url, options):
    async def main():
        async with Engine.open(url, **options) as owner, Engine.open(url, **options) as other:
            _, claim = await claimed(owner, other)
            for lease in (0, -1.0, float("nan"), 1e9):
                with pytest.raises(LimitExceeded, match="max_work_lease"):
                    await other.renew(claim.handle, claim.key, claim.generation, lease=lease)
                with pytest.raises(LimitExceeded, match="max_work_lease"):
                    await other.takeover(None, claim.key, lease=lease)
            assert owner.ledger.counters["inbox_dropped"] == 0

    run(main())


def test_what_the_owner_refuses_is_said_at_once(url, options):
    async def main():
        async with Engine.open(url, **options) as owner, Engine.open(url, **options) as other:
            Agents(owner)
            asking = await owner.start(blueprint([ASK]), {})
            await asking.until_suspended()
            [question] = await other.list_questions()

            def refuse(*_args):
                raise MayNotAnswer("not you")

            answer, owner.questions.answer = owner.questions.answer, refuse
            async with asyncio.timeout(5):
                with pytest.raises(MayNotAnswer, match="has refused this answer"):
                    await other.resume(None, question.key, "yes")
            owner.questions.answer = answer
            assert (await other.resume(None, question.key, "yes")).acted
            await asking.result()
            waiting = await owner.start(blueprint([{"kind": "wait", "signal": "go", "out": path("$.x")}]), {})
            owner.drivers[waiting.id].signal = refuse
            async with asyncio.timeout(5):
                with pytest.raises(InvalidTransition, match="has refused this"):
                    await other.signal(None, waiting.id, "go", 1)
                for _ in range(2):
                    assert (await other.pause_loop(None, waiting.id)).acted
                assert (await other.cancel_run(None, waiting.id)).acted

    run(main())


# -- who may answer ------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_who_has_taken_an_item_over_may_not_answer_what_was_asked_for_it(url, options, where):
    async def main():
        async with Engine.open(url, **options) as owner, Engine.open(url, **options) as other:
            answering = {"here": owner, "elsewhere": other}[where]
            handle = await owner.start(judged(), {})
            while not (items := await owner.list_work()):
                await asyncio.sleep(0.005)
            first, second, senior, another = [
                (await owner.mint_token(principal, role)).text
                for principal, role in (
                    ("anna", "operator"),
                    ("ben", "operator"),
                    ("ben", "senior"),
                    ("cleo", "senior"),
                )
            ]
            claim = await owner.claim(first, items[0].key)
            key = await owner.ask(claim.handle, claim.key, "?")
            await owner.takeover(second, claim.key)
            with pytest.raises(MayNotAnswer, match=r"ben asked|refused this answer"):
                await answering.resume(senior, key, "mine")
            await answering.resume(another, key, "theirs")
            assert await owner.await_resume(None, key, 5) == "theirs"
            await handle.cancel()

    run(main())


# -- looking -------------------------------------------------------------------------------------


def reads(engine, monkeypatch):
    """How many events each read of the journal gave, from here on."""
    counted, read = [], engine.journal.read

    async def counting(*args):
        found = await read(*args)
        counted.append(len(found))
        return found

    monkeypatch.setattr(engine.journal, "read", counting)
    return counted


def test_a_task_of_another_process_is_read_on_not_over_and_over(url, options, monkeypatch):
    monkeypatch.setattr(acts, "LOOK_SECONDS", 0.01)

    async def main():
        async with Engine.open(url, **options) as owner, Engine.open(url, **options) as other:
            handle = await owner.start(judged(), {})
            while not (items := await other.list_work()):
                await asyncio.sleep(0.005)
            seen = reads(other, monkeypatch)
            with pytest.raises(PollTimeout):
                await other.poll_task(None, items[0].task_id, 0.2, run_id=handle.id)
            recorded = (await owner.journal.read_last(f"run:{handle.id}")).version
            assert sum(seen) <= 2 * recorded
            assert len(seen) > 5
            await handle.cancel()

    run(main())


def test_an_unknown_task_is_looked_for_in_so_many_events_at_most(url, options, monkeypatch):
    monkeypatch.setattr(task_guard, "LOOKED_EVENTS", 15)

    async def main():
        async with Engine.open(url, **options) as engine:
            Agents(engine)
            for _ in range(6):
                await (await engine.start(blueprint(step("echo")), {})).result()
            size = len(await engine.journal.read(f"run:{(await engine.list_runs())[0].run_id}"))
            seen = reads(engine, monkeypatch)
            with pytest.raises(TaskNotFound):
                await engine.read_task_state(None, "T-unknown")
            assert 15 <= sum(seen) < 15 + size

    run(main())
