"""Operator work over restarts, and while another process runs it."""

from __future__ import annotations

import asyncio

import pytest

from engines import step
from operators import GIVEN, JUDGED, begin, kinds, offered, seats, token, working
from skep import Engine
from skep.core.outputs import Progress
from skep.errors import (
    InvalidTransition,
    QuestionClosed,
    TokenNotFound,
    TokenTaskMismatch,
    WorkHeld,
)
from skep.testing.clock import FakeClock


def test_an_item_survives_a_close_and_its_handle_stays_good(tmp_path):
    url, clock = f"sqlite:///{tmp_path}/s.db", FakeClock()

    async def first(engine):
        handle, item = await begin(engine)
        return handle.id, await engine.claim(None, item.key, lease=10)

    async def second(engine):
        handle = await engine.resume_run(run_id)
        [item] = await offered(engine)
        assert (item.key, item.holder, item.generation) == (claimed.key, "owner", 1)
        assert item.lease_until == clock.now_ms() + 300_000, "nobody could renew meanwhile"
        await engine.complete(claimed.handle, claimed.key, "after all")
        assert (await handle.result())["out"] == "after all"
        said = await kinds(engine, run_id)
        assert said.count("task_attempt_started") == said.count("question_asked") == 1
        assert "task_attempt_interrupted" not in said

    run_id, claimed = working(first, url, clock=clock)
    clock.advance(3_600_000)
    working(second, url, clock=clock, recover="none")


def test_a_result_that_was_recorded_before_the_host_died_counts(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"

    async def first(engine):
        handle, item = await begin(engine)
        claimed = await engine.claim(None, item.key)
        engine.drivers[handle.id].attempts.settle = lambda *_: None
        await engine.complete(claimed.handle, item.key, "kept")
        return handle.id

    async def second(engine):
        handle = await engine.resume_run(run_id)
        assert (await handle.result())["out"] == "kept"
        assert (await kinds(engine, run_id)).count("question_asked") == 1

    run_id = working(first, url)
    working(second, url, recover="none")


def test_from_another_process_everything_goes_through_the_store(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"

    async def test(owner):
        async with Engine.open(url, recover="none") as other:
            handle, item = await begin(owner, [step("judge", "$.text"), step("judge", "$.text", "$.two")])
            [seen] = await offered(other)
            assert (seen.key, seen.payload, seen.seat) == (item.key, item.payload, "red")
            anna, ben = await token(other), await token(other, principal="ben")
            claimed = await other.claim(anna, item.key, lease=20)
            assert claimed.payload == item.payload
            assert (claimed.generation, claimed.attempt) == (1, 1)
            [held] = await other.list_work()
            assert (held.holder, held.generation) == ("anna", 1)
            for refused in (
                other.claim(ben, item.key),
                other.renew(ben, item.key, 1),
                other.renew(anna, item.key, 2),
                other.resume(None, item.key, "x"),
                owner.claim(None, item.key),
            ):
                with pytest.raises(WorkHeld):
                    await refused
            assert await other.renew(claimed.handle, item.key, 1, lease=400) > claimed.lease_until
            await other.emit(claimed.handle, item.key, Progress("half"))
            await other.release(anna, item.key, 1)
            with pytest.raises(TokenNotFound):
                await other.complete(claimed.handle, item.key, "gone")
            again = await other.claim(anna, item.key)
            taken = await other.takeover(ben, item.key)
            assert (again.generation, taken.generation) == (2, 3)
            with pytest.raises(TokenNotFound):
                await other.complete(again.handle, item.key, "old")
            assert (await other.complete(taken.handle, item.key, {"n": 1})).acted
            with pytest.raises(TokenNotFound):
                await other.complete(taken.handle, item.key, {"n": 2})
            with pytest.raises(QuestionClosed):
                await other.claim(anna, item.key)
            [second] = await offered(other)
            last = await other.claim(ben, second.key)
            with pytest.raises(TokenTaskMismatch):
                await other.complete(last.handle, item.key, 2)
            await other.complete(last.handle, second.key, 2)
            assert await handle.result() == {**GIVEN, "out": {"n": 1}, "two": 2}

    working(test, url)


def test_without_an_owner_a_result_waits_and_a_claim_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"

    async def first(engine):
        handle, item = await begin(engine)
        return handle.id, await engine.claim(None, item.key)

    async def second(engine):
        with pytest.raises(InvalidTransition, match="skep resume"):
            await engine.takeover(None, claimed.key)
        with pytest.raises(InvalidTransition, match="no living process"):
            await engine.renew(claimed.handle, claimed.key, 1)
        assert not (await engine.complete(claimed.handle, claimed.key, "while away")).acted
        handle = await engine.resume_run(run_id)
        assert (await handle.result())["out"] == "while away"

    run_id, claimed = working(first, url)
    working(second, url, recover="none")


@pytest.mark.parametrize("when", ["here", "elsewhere", "away"])
def test_a_revocation_elsewhere_or_while_nobody_ran_it_ends_the_claim_too(tmp_path, when):
    url = f"sqlite:///{tmp_path}/s.db"

    async def first(engine):
        async with Engine.open(url, recover="none") as other:
            maker = {"here": engine, "elsewhere": other, "away": engine}[when]
            handle, item = await begin(engine)
            anna = await maker.mint_token("anna", "operator")
            claimed = await maker.claim(anna.text, item.key)
            if when != "away":
                await maker.revoke(anna.id)
                while (await engine.list_work())[0].holder is not None:
                    await asyncio.sleep(0.01)
        return handle.id, anna.id, claimed

    async def second(engine):
        if when == "away":
            await engine.revoke(anna)
        handle = await engine.resume_run(run_id)
        while (await engine.list_work())[0].holder is not None:
            await asyncio.sleep(0.01)
        with pytest.raises(TokenNotFound):
            await engine.complete(claimed.handle, claimed.key, "no more")
        assert await handle.until_suspended()

    run_id, anna, claimed = working(first, url)
    working(second, url, recover="none")


@pytest.mark.parametrize("who", ["the owner", "another process"])
def test_a_revocation_while_an_item_is_being_claimed_is_not_missed(tmp_path, monkeypatch, who):
    url, home = f"sqlite:///{tmp_path}/s.db", tmp_path / "home"

    async def not_in_time(_nonce):
        """The claim has got past the check of the token."""

    async def test(engine):
        async with Engine.open(url, home=home, recover="none") as other:
            _, item = await begin(engine)
            claiming, maker = (engine, other) if who == "the owner" else (other, engine)
            anna = await maker.mint_token("anna", "operator")
            await claiming.dispatcher.tokens.known(anna.text)
            monkeypatch.setattr(claiming.dispatcher.tokens.logs, "learn", not_in_time)
            await maker.revoke(anna.id)
            engine.launchers._after = (await engine.journal.list_entries("revoked"))[-1].position
            claimed = await claiming.claim(anna.text, item.key)
            held = engine.ledger.state.questions[item.key]
            while held.claim is not None:
                await asyncio.sleep(0)
            with pytest.raises(TokenNotFound):
                await engine.emit(claimed.handle, item.key, Progress("mine"))

    working(test, url, home=home)


def test_layers_act_around_an_operator_once_also_after_a_restart(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"

    async def first(engine):
        handle = await engine.start(seats(JUDGED, layers=["audit"]), GIVEN)
        [item] = await offered(engine)
        return handle.id, await engine.claim(None, item.key)

    async def second(engine):
        handle = await engine.resume_run(run_id)
        await offered(engine)
        await engine.complete(claimed.handle, claimed.key, "done")
        assert (await handle.result())["out"] == "done"

    run_id, claimed = working(first, url)
    working(second, url, recover="none")
