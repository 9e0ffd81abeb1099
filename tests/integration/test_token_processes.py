"""Tokens over restarts, key rotations and processes, and within bounds."""

from __future__ import annotations

import pytest
from msgspec import structs

from engines import Agents
from skep import Engine
from skep.errors import (
    BadSignature,
    LimitExceeded,
    RunOwned,
    TokenExpired,
    TokenNotFound,
    TokenRevoked,
    TokenUsesExhausted,
)
from skep.limits import DEFAULT_LIMITS, Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock
from tokens import forged, with_engine


@pytest.fixture
def place(tmp_path):
    return {"url": f"sqlite:///{tmp_path}/store.db", "home": tmp_path / "home"}


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
