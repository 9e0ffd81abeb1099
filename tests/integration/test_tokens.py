"""Tokens from their minting to their end (rows 1-7 of the reference's table, its sections 12.2 and 12.3)."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from msgspec import structs

from engines import Agents, blueprint, step
from skep import Engine
from skep.core import events as ev
from skep.core.authority import ACTS
from skep.core.tokens import CapToken, decode_token, encode_token, handle_digest, is_handle, sign
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
    RunOwned,
    ScopeViolation,
    ScopeWidened,
    TokenExpired,
    TokenNotFound,
    TokenRevoked,
    TokenTaskMismatch,
    TokenUsesExhausted,
)
from skep.ids import new_nonce
from skep.limits import DEFAULT_LIMITS, Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock
from skep.workers.python.spawner import InProcSpawner

HOUR = 3_600_000


def with_engine(test, **options):
    async def main():
        async with Engine.open("memory:", **options) as engine:
            return await test(engine, engine.dispatcher.tokens)

    return run(main())


def forged(text, **claims):
    """The same token with other claims, signed by nobody."""
    return encode_token(structs.replace(decode_token(text), **claims))


async def attempt(engine, token, deadline=None):
    """A task whose attempt was started by hand, its nonce and its handle."""
    task_id = await engine.start_task(token, "echo", 1)
    nonce, handle = new_nonce(), "wh-" + secrets.token_hex(16)
    started = ev.TaskAttemptStarted(
        at=engine.ledger.now(),
        task_id=task_id,
        attempt=1,
        nonce=nonce,
        handle=handle_digest(handle),
        deadline=deadline,
    )
    engine.ledger.commit(engine.ledger.state.tasks[task_id].log, (started,))
    return task_id, nonce, handle


# -- the order of checks -----------------------------------------------------------------------


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


# -- scopes ------------------------------------------------------------------------------------


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


# -- handles and grants ------------------------------------------------------------------------


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


# -- workers -----------------------------------------------------------------------------------


def test_a_worker_reaches_what_it_started_and_nothing_else():
    async def test(engine, office):
        Agents(engine)
        operator = await engine.attach("op", "operator")
        task_id, nonce, _ = await attempt(engine, operator)
        worker = office.issue(nonce, 0)
        child = await engine.start_task(worker, "echo", 1)
        child_nonce = new_nonce()
        started = ev.TaskAttemptStarted(at=engine.ledger.now(), task_id=child, attempt=1, nonce=child_nonce)
        engine.ledger.commit(engine.ledger.state.tasks[child].log, (started,))
        grandchild = await engine.start_task(office.issue(child_nonce, 0), "echo", 1)
        for act in ("dispatch_attempt", "poll_task", "read_task_state", "cancel_task"):
            for reachable in (task_id, child, grandchild):
                office.check(worker, act, reachable)
            with pytest.raises(TokenTaskMismatch):
                office.check(office.issue(child_nonce, 0), act, task_id)
            with pytest.raises(TokenTaskMismatch):
                office.check(worker, act, "T-unknown")

    with_engine(test)


def test_a_worker_of_a_session_reaches_what_that_session_started():
    async def test(engine, office):
        Agents(engine)
        operator = await engine.attach("op", "operator")
        of_operator, _, _ = await attempt(engine, operator)
        worker = await engine.attach("w", "worker")
        own = await engine.start_task(worker, "echo", 1)
        office.check(worker, "poll_task", own)
        with pytest.raises(TokenTaskMismatch):
            office.check(worker, "poll_task", of_operator)

    with_engine(test)


# -- narrowing ---------------------------------------------------------------------------------


def test_a_narrowed_token_is_within_the_one_it_came_from():
    async def test(engine, office):
        parent = await engine.mint_token("p", "operator", scopes=["run:a", "run:b"], ttl=100, max_uses=5)
        child = await engine.attenuate(parent.text, scopes=["run:a", "verb:poll_task"], ttl=10, max_uses=2)
        assert child.scopes == ("run:a", "verb:poll_task")
        assert child.expire_at < parent.expire_at
        assert office.check(child.text, "poll_task", run="a").agent_id == "p"
        with pytest.raises(ScopeViolation):
            office.check(child.text, "poll_task", run="b")
        for wider in (
            {"scopes": ["run:c"]},
            {"scopes": ["*"]},
            {"ttl": 101},
            {"max_uses": 6},
        ):
            with pytest.raises(ScopeWidened):
                await engine.attenuate(parent.text, **wider)

    with_engine(test)


def test_a_use_of_the_narrower_token_is_a_use_of_the_wider():
    async def test(engine, office):
        parent = await engine.mint_token("p", "operator", max_uses=2)
        one, two = [await engine.attenuate(parent.text) for _ in range(2)]
        assert one.max_uses == 2
        office.check(one.text, "poll_task")
        office.check(two.text, "poll_task")
        for spent in (one, two, parent):
            with pytest.raises(TokenUsesExhausted):
                office.check(spent.text, "poll_task")
        with pytest.raises(TokenUsesExhausted):
            await engine.attenuate(parent.text)

    with_engine(test)


def test_revoking_a_token_ends_all_that_came_from_it():
    async def test(engine, office):
        root = await engine.mint_token("p", "operator")
        line = [root]
        for _ in range(3):
            line.append(await engine.attenuate(line[-1].text))
        beside = await engine.attenuate(root.text)
        await engine.revoke(line[1].id)
        for ended in line[1:]:
            with pytest.raises(TokenRevoked):
                office.check(ended.text, "poll_task")
            with pytest.raises(TokenRevoked):
                await engine.attenuate(ended.text)
        office.check(root.text, "poll_task")
        office.check(beside.text, "poll_task")
        states = {info.id: info.state for info in await engine.list_tokens()}
        assert states == {
            root.id: "live",
            line[2].id: "ended",
            line[3].id: "ended",
            beside.id: "live",
        }

    with_engine(test)


def test_narrowing_ends_somewhere():
    async def test(engine, office):
        token = await engine.mint_token("p", "operator")
        for _ in range(DEFAULT_LIMITS.token_depth):
            token = await engine.attenuate(token.text)
        office.check(token.text, "poll_task")
        with pytest.raises(LimitExceeded, match="token_depth"):
            await engine.attenuate(token.text)

    with_engine(test)


def test_a_workers_narrower_token_is_bound_as_the_workers():
    async def test(engine, office):
        Agents(engine)
        operator = await engine.attach("op", "operator")
        task_id, nonce, handle = await attempt(engine, operator)
        other, _, _ = await attempt(engine, operator)
        for bearer in (handle, office.issue(nonce, 0)):
            child = await engine.attenuate(bearer, scopes=["verb:poll_task"])
            assert office.check(child.text, "poll_task", task_id).task_id == task_id
            with pytest.raises(TokenTaskMismatch):
                office.check(child.text, "poll_task", other)
        await engine.cancel_task(operator, task_id)
        with pytest.raises(TokenRevoked):
            office.check(child.text, "poll_task", task_id)

    with_engine(test)


def test_who_mints_with_a_token_gives_away_no_more_than_it_has():
    async def test(engine, _):
        admin = await engine.mint_token(
            "a", "operator", scopes=["verb:token_admin", "verb:run_read"], ttl=100
        )
        for wider in ({}, {"scopes": ["verb:store_admin"]}, {"scopes": ["verb:run_read"], "ttl": 101}):
            with pytest.raises(ScopeWidened):
                await engine.mint_token("b", "operator", token=admin.text, **wider)
        given = await engine.mint_token("b", "observer", scopes=["verb:run_read"], token=admin.text)
        assert given.expire_at <= admin.expire_at
        with pytest.raises(RoleViolation):
            await engine.mint_token("c", "observer", token=given.text)
        with pytest.raises(RoleViolation):
            await engine.revoke(admin.id, token=given.text)
        await engine.revoke(admin.id, token=admin.text)
        with pytest.raises(TokenRevoked):
            engine.verify_token(given.text, "run_read")

    with_engine(test)


def test_every_act_on_tokens_is_admitted_by_the_table():
    async def test(engine, _):
        viewer = (await engine.mint_token("v", "observer")).text
        calls = {
            "mint_token": lambda: engine.mint_token("x", "observer", token=viewer),
            "revoke": lambda: engine.revoke("abcdef", token=viewer),
            "list_tokens": lambda: engine.list_tokens(token=viewer),
            "rotate_keys": lambda: engine.rotate_keys(token=viewer),
        }
        for act, call in calls.items():
            assert ACTS[act].verb == "token_admin"
            with pytest.raises(RoleViolation):
                await call()

    with_engine(test)


@pytest.mark.parametrize("which", ["", "abc", "00000000", "x" * 10_000])
def test_a_name_of_no_token(which):
    async def test(engine, _):
        await engine.mint_token("p", "operator")
        with pytest.raises(TokenNotFound):
            await engine.revoke(which)

    with_engine(test)


def test_a_name_of_several_tokens_ends_none():
    async def test(engine, office):
        minted = [await engine.mint_token("p", "operator") for _ in range(2)]
        nonces = [office.nonce(token.text) for token in minted]
        assert await engine.revoke(nonces[0][:12]) == minted[0].id
        with pytest.raises(TokenNotFound):
            await engine.revoke(nonces[0][:12])
        office.check(minted[1].text, "poll_task")

    with_engine(test)


# -- keys --------------------------------------------------------------------------------------


def test_a_rotation_ends_no_token_and_a_drop_ends_all():
    async def test(engine, _):
        before = (await engine.mint_token("p", "operator")).text
        assert len(await engine.rotate_keys()) == 1
        after = (await engine.mint_token("p", "operator")).text
        engine.verify_token(before, "poll_task")
        engine.verify_token(after, "poll_task")
        assert await engine.rotate_keys(now=True) == ()
        for text in (before, after):
            with pytest.raises(BadSignature):
                engine.verify_token(text, "poll_task")

    with_engine(test)


def test_a_token_whose_key_was_dropped_is_listed_as_ended(tmp_path):
    clock, home = FakeClock(), tmp_path / "home"

    async def states(engine):
        return [info.state for info in await engine.list_tokens()]

    async def test(engine, _):
        await engine.mint_token("p", "operator")
        await engine.rotate_keys()
        assert await states(engine) == ["live"]
        async with Engine.open("memory:", clock=clock, home=home) as other:
            await other.rotate_keys(now=True)
        clock.advance(1)
        await engine.mint_token("p", "operator")
        assert await states(engine) == ["ended", "live"]
        await engine.rotate_keys()
        assert await states(engine) == ["ended", "live"], "a later rotation revives nothing"

    with_engine(test, clock=clock, home=home)


def test_a_drop_in_another_process_ends_what_was_verified_before(tmp_path):
    clock = FakeClock()

    async def test(engine, _):
        text = (await engine.mint_token("p", "operator")).text
        engine.verify_token(text, "poll_task")
        async with Engine.open("memory:", home=tmp_path / "home") as other:
            await other.rotate_keys(now=True)
        clock.advance(1_000)
        with pytest.raises(BadSignature):
            engine.verify_token(text, "poll_task")

    with_engine(test, home=tmp_path / "home", clock=clock)


# -- restarts and other processes --------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    return {"url": f"sqlite:///{tmp_path}/store.db", "home": tmp_path / "home"}


def test_tokens_outlive_the_process(place):
    async def main():
        async with Engine.open(**place) as engine:
            parent = await engine.mint_token("p", "operator", max_uses=3)
            child = await engine.attenuate(parent.text, scopes=["run:a"])
            engine.dispatcher.tokens.check(child.text, "poll_task", run="a")
        async with Engine.open(**place) as engine:
            office = engine.dispatcher.tokens
            with pytest.raises(TokenNotFound):
                office.check(child.text, "poll_task", run="a")
            await office.known(child.text)
            office.check(child.text, "poll_task", run="a")
            office.check(parent.text, "poll_task")
            with pytest.raises(TokenUsesExhausted):
                office.check(child.text, "poll_task", run="a")
            await engine.revoke(parent.id)
        async with Engine.open(**place) as engine:
            await engine.dispatcher.tokens.known(child.text)
            with pytest.raises(TokenRevoked):
                engine.dispatcher.tokens.check(child.text, "poll_task", run="a")

    run(main())


def test_what_is_not_signed_is_looked_for_nowhere(place):
    async def main():
        async with Engine.open(**place) as engine:
            text = (await engine.mint_token("p", "operator")).text
        async with Engine.open(**place) as engine:
            office = engine.dispatcher.tokens
            with pytest.raises(BadSignature):
                await office.known(forged(text, agent_id="q"))
            assert engine.ledger.state.tokens == {}

    run(main())


def test_one_process_counts_the_uses_and_the_others_see_the_end(place):
    async def main():
        async with Engine.open(**place) as owner, Engine.open(**place) as other:
            limited = await owner.mint_token("p", "operator", max_uses=2)
            free = await owner.mint_token("p", "operator")
            office = other.dispatcher.tokens
            await office.known(limited.text)
            with pytest.raises(RunOwned, match="another process"):
                office.check(limited.text, "poll_task")
            await office.known(free.text)
            office.check(free.text, "poll_task")
            await owner.revoke(free.id)
            await office.known(free.text)
            with pytest.raises(TokenRevoked):
                office.check(free.text, "poll_task")

    run(main())


def test_a_token_is_ended_by_its_owner_for_others(place):
    async def main():
        async with Engine.open(**place) as owner, Engine.open(**place) as other:
            token = await owner.mint_token("p", "operator")
            assert await other.revoke(token.id) == token.id
            with pytest.raises(TokenRevoked):
                owner.verify_token(token.text, "poll_task")
            assert await other.list_tokens() == []
            session = await owner.attach("op", "operator")
            (listed,) = await other.list_tokens()
            await other.revoke(listed.id)
            with pytest.raises(TokenRevoked):
                owner.verify_token(session, "poll_task")

    run(main())


def test_a_message_ends_only_what_stands_in_its_log(place):
    async def main():
        async with Engine.open(**place) as owner:
            office = owner.dispatcher.tokens
            one, two = [await owner.mint_token("p", "operator") for _ in range(2)]
            nonce = office.nonce(one.text)
            log = f"session:{office.record(office.nonce(two.text)).session_id}"
            for body in (
                {"kind": "revoke", "nonce": nonce},
                {"kind": "revoke"},
                {"kind": "x", "nonce": nonce},
            ):
                await owner.journal.send(log, body)
            async with Engine.open(**place) as other:
                await other.revoke(two.id)
            office.check(one.text, "poll_task")
            assert owner.ledger.counters["inbox_dropped"] == 3

    run(main())


def test_tokens_in_memory_are_bounded():
    clock = FakeClock()

    async def test(engine, office):
        for _ in range(2):
            await engine.mint_token("p", "operator", ttl=1)
        with pytest.raises(LimitExceeded, match="max_tokens"):
            await engine.mint_token("p", "operator")
        clock.advance(1_000)
        await engine.mint_token("p", "operator")
        assert len(engine.ledger.state.tokens) == len(office.logs.owned) == 1

    with_engine(test, clock=clock, limits=structs.replace(DEFAULT_LIMITS, max_tokens=2))


def test_a_token_of_a_log_where_work_goes_on_is_kept():
    clock = FakeClock()

    async def test(engine, office):
        Agents(engine)
        working = await engine.mint_token("p", "operator", ttl=1)
        task_id = await engine.start_task(working.text, "echo", 1)
        idle = await engine.mint_token("p", "operator", ttl=1)
        nonce = office.nonce(working.text)
        clock.advance(1_000)
        await engine.mint_token("q", "operator")
        assert nonce in engine.ledger.state.tokens
        with pytest.raises(TokenExpired):
            await engine.poll_task(idle.text, task_id)
        assert await engine.revoke(working.id) == working.id
        assert engine.ledger.state.tokens[nonce].revoked

    with_engine(test, clock=clock, limits=Limits(max_tokens=2))


def test_tokens_that_a_session_had_before_make_room():
    async def test(engine, office):
        await engine.attach("op", "operator")
        first = (await engine.list_tokens())[0].id
        [session] = await engine.list_sessions()
        for _ in range(5):
            token = await engine.attach("op", "operator", session_id=session.id)
            await engine.mint_token("p", "operator", ttl=100)
            await engine.revoke((await engine.list_tokens())[-1].id)
        engine.verify_token(token, "poll_task")
        await engine.revoke(first)
        with pytest.raises(TokenRevoked):
            engine.verify_token(token, "poll_task")

    with_engine(test, limits=Limits(max_tokens=3))


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


# -- handles of workers that pull ----------------------------------------------------------------


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


# -- who follows -------------------------------------------------------------------------------


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
