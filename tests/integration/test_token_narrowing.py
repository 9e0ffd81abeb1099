"""Tokens made from tokens: narrowed, minted, revoked, bound as a worker's (R-narrow)."""

from __future__ import annotations

import pytest

from engines import Agents
from skep.core import events as ev
from skep.core.authority import ACTS
from skep.errors import (
    LimitExceeded,
    RoleViolation,
    ScopeViolation,
    ScopeWidened,
    TokenNotFound,
    TokenRevoked,
    TokenTaskMismatch,
    TokenUsesExhausted,
)
from skep.ids import new_nonce
from skep.limits import DEFAULT_LIMITS
from tokens import attempt, with_engine


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
