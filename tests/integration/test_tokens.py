"""Tokens at the gate: the order of checks, scopes, handles and grants (rows 1-7 of the reference's table)."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, step
from skep import Engine
from skep.core import events as ev
from skep.core.tokens import CapToken, decode_token, encode_token, is_handle, sign
from skep.engine.reading import subscriptions
from skep.engine.tokens.keys import fresh_ring
from skep.engine.tokens.office import VERIFIED
from skep.errors import (
    AttemptEnded,
    AuthorityError,
    BadScope,
    BadSignature,
    BadValue,
    LimitExceeded,
    RoleViolation,
    ScopeViolation,
    TokenExpired,
    TokenNotFound,
    TokenTaskMismatch,
    TokenUsesExhausted,
)
from skep.ids import new_nonce
from skep.testing.aio import run
from skep.testing.clock import FakeClock
from skep.workers.python.spawner import InProcSpawner
from tokens import HOUR, attempt, forged, with_engine


@pytest.fixture
def place(tmp_path):
    return {"url": f"sqlite:///{tmp_path}/store.db", "home": tmp_path / "home"}


def test_the_order_of_checks():
    clock = FakeClock()

    async def test(engine, office):
        token = (await engine.mint_token("p", "observer", ttl=10, max_uses=1)).text
        unknown = encode_token(
            sign(
                CapToken("p", "observer", ("*",), 0, 2**40, None, new_nonce()),
                office.ring.keys,
                office.ring.current,
            )
        )
        with pytest.raises(RoleViolation):
            engine.verify_token(unknown, "start_task")
        with pytest.raises(TokenNotFound):
            engine.verify_token(unknown, "read_trace")
        clock.advance(10_000)
        with pytest.raises(BadSignature):
            engine.verify_token(forged(token, scopes=("run:a",)), "start_task")
        with pytest.raises(TokenExpired):
            engine.verify_token(token, "start_task")

    with_engine(test, clock=clock)


def test_a_refused_call_spends_nothing():
    async def test(engine, office):
        Agents(engine)
        operator = await engine.attach("op", "operator")
        minted = await engine.mint_token("p", "worker", scopes=["task:T-1"], max_uses=1)
        record = office.record(office.nonce(minted.text))
        for verb, task, refusal in [
            ("start_run", None, RoleViolation),
            ("mark_pass", None, RoleViolation),
            ("poll_task", "T-2", ScopeViolation),
            ("poll_task", "T-1", TokenTaskMismatch),
        ]:
            with pytest.raises(refusal):
                engine.verify_token(minted.text, verb, task)
            assert record.uses_left == 1
        one = await engine.mint_token("p", "operator", max_uses=1)
        engine.verify_token(one.text, "poll_task")
        with pytest.raises(TokenUsesExhausted):
            engine.verify_token(one.text, "poll_task")
        assert operator

    with_engine(test)


def test_a_token_of_another_key_ring_is_no_token():
    async def test(engine, _):
        stranger = fresh_ring()
        claims = CapToken("p", "operator", ("*",), 0, 2**40, None, new_nonce())
        with pytest.raises(BadSignature, match="key that is not here"):
            engine.verify_token(encode_token(sign(claims, stranger.keys, stranger.current)), "poll_task")

    with_engine(test)


def test_what_is_no_bearer():
    async def test(engine, _):
        for nothing in (None, 7, b"token", "", "wh-" + "0" * 32):
            with pytest.raises((BadSignature, TokenNotFound)):
                engine.verify_token(nothing, "poll_task")

    with_engine(test)


def test_a_clock_that_is_set_back_revives_nothing():
    clock = FakeClock()

    async def test(engine, _):
        token = (await engine.mint_token("p", "operator", ttl=10)).text
        clock.advance(11_000)
        await engine.attach("somebody", "observer")
        clock._now -= HOUR
        with pytest.raises(TokenExpired):
            engine.verify_token(token, "poll_task")

    with_engine(test, clock=clock)


def test_verified_texts_are_kept_within_bounds():
    async def test(engine, office):
        texts = [(await engine.mint_token(f"p{number}", "operator")).text for number in range(3)]
        office._verified.update({str(number): None for number in range(VERIFIED)})
        for text in texts:
            engine.verify_token(text, "poll_task")
        assert len(office._verified) == VERIFIED
        assert set(texts) <= office._verified.keys()

    with_engine(test)


def test_scopes_are_held_against_the_facts_of_the_call():
    async def test(engine, office):
        Agents(engine)
        operator = await engine.attach("op", "operator")
        task_id, _, _ = await attempt(engine, operator)
        allowed = await engine.mint_token(
            "p", "operator", scopes=["agent:echo", "agent:inc", f"task:{task_id}"]
        )
        engine.verify_token(allowed.text, "poll_task", task_id)
        office.check(allowed.text, "poll_task", task_id)
        with pytest.raises(ScopeViolation, match="start_task"):
            office.check(allowed.text, "start_task", agent="echo")
        by_agent = await engine.mint_token("p", "operator", scopes=["agent:inc"])
        office.check(by_agent.text, "start_task", agent="inc")
        with pytest.raises(ScopeViolation, match="agent:echo"):
            office.check(by_agent.text, "poll_task", task_id)
        nothing = await engine.mint_token("p", "operator", scopes=[])
        with pytest.raises(ScopeViolation, match="none"):
            engine.verify_token(nothing.text, "poll_task", task_id)

    with_engine(test)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"role": "root"}, RoleViolation),
        ({"scopes": ["*", "run:a"]}, BadScope),
        ({"scopes": ["fly:a"]}, BadScope),
        ({"ttl": 0}, LimitExceeded),
        ({"ttl": -1}, LimitExceeded),
        ({"ttl": float("nan")}, LimitExceeded),
        ({"ttl": float("inf")}, LimitExceeded),
        ({"max_uses": 0}, LimitExceeded),
        ({"max_uses": True}, LimitExceeded),
        ({"max_uses": 1.5}, LimitExceeded),
        ({"principal": ""}, BadValue),
        ({"principal": "\ud800"}, BadValue),
        ({"principal": "x" * 257}, LimitExceeded),
        ({"label": "x" * 257}, LimitExceeded),
    ],
)
def test_a_token_that_cannot_be_minted(arguments, refusal):
    async def test(engine, _):
        with pytest.raises(refusal):
            await engine.mint_token(**{"principal": "p", "role": "operator", **arguments})
        assert await engine.list_tokens() == []

    with_engine(test)


def test_a_handle_is_its_attempts_token_by_another_name():
    async def test(engine, office):
        Agents(engine)
        operator = await engine.attach("op", "operator")
        task_id, nonce, handle = await attempt(engine, operator)
        other, _, _ = await attempt(engine, operator)
        assert office.check(handle, "fetch_prompt", task_id).task_id == task_id
        with pytest.raises(RoleViolation):
            office.check(handle, "mark_pass", task_id)
        with pytest.raises(TokenTaskMismatch):
            office.check(handle, "fetch_prompt", other)
        with pytest.raises(TokenNotFound):
            office.check("wh-" + "0" * 32, "fetch_prompt", task_id)
        text = office.issue(nonce, 0)
        await engine.cancel_task(operator, task_id)
        for bearer in (handle, text):
            with pytest.raises(TokenNotFound):
                office.check(bearer, "fetch_prompt", task_id)

    with_engine(test)


def test_a_handle_ends_with_the_life_of_its_attempt():
    clock = FakeClock()

    async def test(engine, office):
        Agents(engine)
        operator = await engine.attach("op", "operator", ttl=100 * 3600)
        task_id, _, handle = await attempt(engine, operator)
        clock.advance(24 * HOUR - 1)
        office.check(handle, "fetch_prompt", task_id)
        clock.advance(1)
        with pytest.raises(TokenExpired):
            office.check(handle, "fetch_prompt", task_id)

    with_engine(test, clock=clock)


def test_a_workers_text_ends_with_the_record_which_a_suspension_may_prolong():
    clock = FakeClock()

    async def test(engine, office):
        Agents(engine)
        operator = await engine.attach("op", "operator")
        task_id, nonce, _ = await attempt(engine, operator, deadline=clock.now_ms() + 1_000)
        text = office.issue(nonce, clock.now_ms())
        clock.advance(1_000)
        with pytest.raises(TokenExpired):
            office.check(text, "fetch_prompt", task_id)
        engine.ledger.state.tasks[task_id].deadline += 1_000
        office.check(text, "fetch_prompt", task_id)

    with_engine(test, clock=clock)


def test_a_worker_that_is_answered_days_later_still_has_its_authority():
    clock = FakeClock()

    async def test(engine, office):
        Agents(engine)

        @engine.agent("patient")
        async def patient(inv):
            answer = await inv.ask("may I?")
            child = await inv.start_task("echo", answer)
            await inv.dispatch(child)

        handle = await engine.start(blueprint([step("patient"), step("echo")]))
        await handle.until_suspended()
        [question] = await engine.list_questions()
        clock.advance(3 * 24 * HOUR)
        task = engine.ledger.state.tasks[question.task_id]
        text = office.worker_token(task)
        assert decode_token(text).expire_at * 1000 < clock.now_ms() + 25 * HOUR
        await engine.resume(None, question.key, "yes")
        await handle.result()

    with_engine(test, clock=clock)


def test_a_grant_is_good_only_where_it_was_made():
    async def test(engine, office):
        Agents(engine)
        operator = await engine.attach("op", "operator")
        task_id, nonce, _ = await attempt(engine, operator)
        grant = office.grant(nonce)
        assert office.check(grant, "fetch_prompt", task_id).task_id == task_id
        assert nonce not in repr(grant)
        async with Engine.open("memory:") as other:
            with pytest.raises(BadSignature, match="another engine"):
                other.dispatcher.tokens.check(grant, "fetch_prompt", task_id)
        with pytest.raises(TokenNotFound):
            office.grant(new_nonce())

    with_engine(test)


@pytest.mark.parametrize("act", ["list_runs", "rotate_keys", "get_run", "events"])
def test_nothing_is_let_out_before_the_use_is_durable(tmp_path, act):
    async def main():
        async with Engine.open(f"sqlite:///{tmp_path}/s.db") as engine:
            Agents(engine)
            handle = await engine.start(blueprint([step("echo")]))
            await handle.result()
            role = "operator" if act == "rotate_keys" else "observer"
            token = (await engine.mint_token("bob", role, max_uses=1)).text
            await getattr(engine, act)(*[handle.id] * (act == "get_run"), token=token)
            assert engine.journal.durable >= engine.ledger.last_seq

    run(main())


def test_a_payload_is_let_out_when_what_is_in_it_is_durable(tmp_path):
    async def main():
        async with Engine.open(f"sqlite:///{tmp_path}/s.db") as engine:
            agents = Agents(engine)
            await engine.start(blueprint([step("hang")]))
            await agents.started.wait()
            [task] = engine.ledger.state.tasks.values()
            token = engine.dispatcher.tokens.worker_token(task)
            told = asyncio.ensure_future(engine.inject_directive(None, task.id, "faster"))
            while not task.directives:
                await asyncio.sleep(0)
            assert (await engine.fetch_worker_payload(token, task.id)).directives == ("faster",)
            assert engine.journal.durable >= engine.ledger.last_seq
            await told

    run(main())


@pytest.mark.parametrize("pulls", [True, False])
def test_a_worker_that_pulls_is_given_a_handle(monkeypatch, pulls):
    monkeypatch.setattr(InProcSpawner, "pulls", pulls, raising=False)

    async def test(engine, office):
        agents = Agents(engine)
        handle = await engine.start(
            blueprint([step("boom", retry={"max_attempts": 2}, out="$.x"), step("hang")])
        )
        await handle.wait()
        operator = await engine.attach("op", "operator")
        handle = await engine.start(blueprint([step("hang")]))
        started = await engine.start_task(operator, "hang", 1)
        dispatched = asyncio.ensure_future(engine.dispatch_attempt(operator, started))
        while sum(agents.calls.values()) < 4:
            await asyncio.sleep(0)
        for task in list(engine.ledger.state.tasks.values()):
            if not pulls:
                with pytest.raises(AttemptEnded, match="not given a handle"):
                    await engine.mint_worker_token(operator, task.id, handle=True)
                continue
            text = await engine.mint_worker_token(operator, task.id, handle=True)
            assert is_handle(text)
            assert await engine.fetch_prompt(text, task.id)
            await engine.cancel_task(operator, task.id)
            with pytest.raises(TokenNotFound):
                office.check(text, "fetch_prompt", task.id)
        attempts = [
            found.event for found in await engine.events() if isinstance(found.event, ev.TaskAttemptStarted)
        ]
        assert len(attempts) == 4
        assert len({event.handle for event in attempts}) == (4 if pulls else 1)
        dispatched.cancel()

    with_engine(test)


@pytest.mark.parametrize("how", ["revoked", "expired", "detached", "revoked elsewhere"])
@pytest.mark.parametrize("act", ["run_events", "subscribe"])
def test_a_follow_ends_with_its_token(monkeypatch, place, act, how):
    monkeypatch.setattr(subscriptions, "CHECK_SECONDS", 0.05)
    clock = FakeClock()
    options = {**place, "clock": clock}

    async def main():
        async with Engine.open(**options) as engine, Engine.open(**options, recover="none") as other:
            agents = Agents(engine)
            handle = await engine.start(blueprint([step("gate"), step("echo")]))
            await agents.started.wait()
            maker = other if how == "revoked elsewhere" else engine
            uses = None if maker is other else 2 if how == "detached" else 1
            token = await maker.attach("eye", "observer", ttl=100, max_uses=uses)
            await engine.dispatcher.tokens.known(token)
            name = (await engine.list_tokens())[0].id
            seen = []

            async def follow():
                follows = (
                    engine.run_events(handle.id, follow=True, token=token)
                    if act == "run_events"
                    else engine.subscribe(handle.id, token=token)
                )
                async for event in follows:
                    seen.append(event)  # noqa: PERF401 - seen while it goes on

            following = asyncio.ensure_future(follow())
            await asyncio.sleep(0)
            before = 3 if act == "run_events" else 0
            while len(seen) < before:
                await asyncio.sleep(0)
            if how == "expired":
                clock.advance(100_000)
            elif how == "detached":
                await engine.detach(token)
            else:
                await maker.revoke(name)
            with pytest.raises(AuthorityError):
                await following
            agents.release.set()
            await handle.result()
            assert len(seen) == before

    run(main())
