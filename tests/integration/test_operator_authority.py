"""Whose an item is: who may claim it, what a handle is good for, and what ends a claim."""

from __future__ import annotations

import pytest

from engines import step
from operators import GIVEN, JUDGED, begin, offered, seats, token, working
from skep import Engine
from skep.core.outputs import Progress, final
from skep.errors import (
    BadValue,
    LimitExceeded,
    MayNotAnswer,
    ResumeKeyNotFound,
    RoleViolation,
    ScopeViolation,
    TokenNotFound,
    TokenTaskMismatch,
)


def test_who_asks_by_a_handle_may_not_answer_with_another_token():
    async def test(engine):
        _, item = await begin(engine)
        claimed = await engine.claim(await token(engine), item.key)
        key = await engine.ask(claimed.handle, item.key, "is it?")
        with pytest.raises(MayNotAnswer, match="anna asked"):
            await engine.resume(await token(engine, "senior"), key, "yes")
        await engine.resume(await token(engine, "senior", principal="ben"), key, "yes")
        assert await engine.await_resume(None, key) == "yes"

    working(test)


def test_who_may_claim():
    async def test(engine):
        handle, item = await begin(engine)
        claim = engine.claim
        with pytest.raises(ScopeViolation):
            await claim(await token(engine, "operator", "seat:blue"), item.key)
        with pytest.raises(ScopeViolation):
            await claim(await token(engine, "operator", "run:run-other"), item.key)
        with pytest.raises(ScopeViolation):
            await claim(await token(engine, "operator", "verb:poll_task"), item.key)
        for role in ("observer", "senior"):
            with pytest.raises(RoleViolation):
                await claim(await token(engine, role), item.key)
        mine = await claim(await token(engine, "operator", "seat:red", "agent:judge"), item.key)
        assert [seen.key for seen in await engine.list_work(await token(engine, "operator", "seat:red"))]
        assert await engine.list_work(await token(engine, "operator", "seat:blue")) == []
        assert await engine.list_work(await token(engine, "operator", "agent:echo")) == []
        [seen] = await engine.list_work(mine.handle)
        assert seen.key == item.key
        with pytest.raises(MayNotAnswer):
            await engine.takeover(mine.handle, item.key)
        with pytest.raises(ResumeKeyNotFound):
            await claim(None, "R-none")
        with pytest.raises(LimitExceeded, match="max_work_lease"):
            await engine.takeover(None, item.key, lease=1e9)
        await engine.complete(mine.handle, item.key, 1)
        assert (await handle.result())["out"] == 1

    working(test)


def test_a_handle_is_good_for_its_own_item_only_and_a_question_is_no_work():
    flow = {
        "kind": "parallel",
        "branches": {
            "a": step("judge", "$.text"),
            "b": step("judge", "$.text"),
            "c": {
                "kind": "ask",
                "question": {"op": "lit", "value": "?"},
                "audience": "seat:red",
                "out": {"op": "path", "at": "$.x"},
            },
        },
        "join": "all",
        "out": {"op": "path", "at": "$.all"},
    }

    async def test(engine):
        await engine.start(seats(flow), GIVEN)
        one, two = await offered(engine, 2)
        claimed = await engine.claim(None, one.key)
        await engine.claim(None, two.key)
        for act in (
            engine.complete(claimed.handle, two.key, 1),
            engine.emit(claimed.handle, two.key, final(1)),
        ):
            with pytest.raises(TokenTaskMismatch):
                await act
        [question] = [found for found in await engine.list_questions() if found.what == "ask"]
        with pytest.raises(BadValue, match="not a work item"):
            await engine.claim(None, question.key)

    working(test)


def test_a_revoked_token_ends_the_claims_that_were_made_with_it():
    async def test(engine):
        handle, item = await begin(engine)
        anna = await engine.mint_token("anna", "operator")
        narrower = await engine.attenuate(anna.text, scopes=["seat:red"])
        other = await engine.mint_token("anna", "operator")
        claimed = await engine.claim(narrower.text, item.key)
        await engine.revoke(other.id)
        await engine.emit(claimed.handle, item.key, Progress("still mine"))
        await engine.revoke(anna.id)
        with pytest.raises(TokenNotFound):
            await engine.complete(claimed.handle, item.key, "no more")
        [offered_again] = await engine.list_work()
        assert (offered_again.holder, offered_again.generation) == (None, 1)
        [released] = [e async for e in engine.run_events(handle.id) if e["kind"] == "work_released"]
        assert released["reason"] == "revoked"
        assert not engine.ledger.state.handles

    working(test)


def test_no_handle_is_ever_kept(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"

    async def test(engine):
        async with Engine.open(url, recover="none") as other:
            handle, item = await begin(engine)
            mine = await engine.claim(None, item.key)
            theirs = await other.takeover(None, item.key)
            await other.emit(theirs.handle, item.key, Progress("half"))
            await other.complete(theirs.handle, item.key, 1)
            await handle.result()
            shown = [event async for event in engine.run_events(handle.id)]
            kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
            for secret in (mine.handle, theirs.handle):
                assert secret.encode() not in kept
                assert secret.removeprefix("wh-") not in str(shown)

    working(test, url)


def test_a_handle_fetches_what_was_offered_and_an_untrusted_blueprint_may_name_a_seat():
    async def test(engine):
        document = seats(JUDGED, profile={"system_prompt": "Judge."})
        handle = await engine.start(document, GIVEN, trusted=False)
        [item] = await offered(engine)
        claimed = await engine.claim(None, item.key)
        fetched = await engine.fetch_worker_payload(claimed.handle, item.task_id)
        assert (fetched.prompt, fetched.system, fetched.agent) == ("hello", "Judge.", "judge")
        await engine.post_result(claimed.handle, item.task_id, "by the published verb")
        assert (await handle.result())["out"] == "by the published verb"
        assert await engine.list_work() == []

    working(test)
