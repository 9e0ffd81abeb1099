"""Sessions from their attachment to their end (the reference's sections 2.6, 12.2 and 12.3)."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from engines import Agents
from skep import Engine
from skep.core import events as ev
from skep.core.sessions import SessionState
from skep.errors import (
    AuthorityError,
    BackendMissing,
    BadValue,
    LimitExceeded,
    RoleViolation,
    RunOwned,
    ScopeViolation,
    ScopeWidened,
    SessionNotFound,
    TokenExpired,
    TokenNotFound,
    TokenRevoked,
)
from skep.limits import Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock
from skep.workers.backends import OperatorInfo

INTERVAL = 300_000
SILENCE = 3 * INTERVAL


def with_engine(test, **options):
    async def main():
        async with Engine.open(**{"url": "memory:", **options}) as engine:
            return await test(engine)

    return run(main())


@pytest.fixture
def place(tmp_path):
    return {"url": f"sqlite:///{tmp_path}/store.db", "home": tmp_path / "home"}


async def settled(engine):
    """Let what goes on in the background come to its end."""
    await engine.ledger.flushed()
    for _ in range(20):
        await asyncio.sleep(0)
    await engine.ledger.flushed()


async def the_session(engine):
    [session] = await engine.list_sessions()
    return session


class Bridge:
    async def ask(self, task_id, question):
        return question


class Hook:
    async def before(self, ctx):
        pass

    async def after(self, ctx, value):
        pass


class Hands:
    async def execute(self, ctx, system, prompt, token):
        return prompt


# -- attaching ---------------------------------------------------------------------------------


def test_every_field_of_the_published_record():
    async def test(engine):
        token = await engine.attach_with_ids(
            "ada",
            "operator",
            60,
            kind="composite",
            bridge_id="b",
            hook_id="h",
            operator_backend_id="o",
            runtime_agent_kinds={"x": "main_ai"},
            bp_agent_kinds={"y": "automate"},
            bp_global_kind="main_ai",
        )
        session = await the_session(engine)
        assert session == await engine.get_session(session.id)
        fields = {field.name for field in structs.fields(SessionState)}
        assert {field.name for field in structs.fields(session)} == fields - {"token_nonce"} | {"token"}
        assert structs.asdict(session) == {
            "id": session.id,
            "operator_id": "ada",
            "role": "operator",
            "attached_at": session.attached_at,
            "last_seen": session.attached_at,
            "attached": True,
            "owned_task_ids": (),
            "token": (await engine.list_tokens())[0].id,
            "operator_kind": "composite",
            "runtime_agent_kinds": {"x": "main_ai"},
            "bp_agent_kinds": {"y": "automate"},
            "bp_global_kind": "main_ai",
            "bridge_id": "b",
            "hook_id": "h",
            "operator_backend_id": "o",
            "heartbeats": False,
            "ended": None,
        }
        assert token not in repr(session)

    with_engine(test)


def test_a_plain_attach_is_explicitly_automate_and_one_by_ids_unset():
    async def test(engine):
        await engine.attach("a", "operator")
        await engine.attach_with("b", "operator", OperatorInfo(kind="main_ai"))
        await engine.attach_with_ids("c", "operator")
        kinds = {session.operator_id: session.operator_kind for session in await engine.list_sessions()}
        assert kinds == {"a": "automate", "b": "main_ai", "c": None}

    with_engine(test)


def test_what_cannot_attach():
    async def test(engine):
        for call, refusal in [
            (engine.attach("op", "boss"), RoleViolation),
            (engine.attach("", "operator"), BadValue),
            (engine.attach("x" * 300, "operator"), LimitExceeded),
            (engine.attach("op", "operator", ttl=0), LimitExceeded),
            (engine.attach("op", "operator", max_uses=0), LimitExceeded),
            (engine.attach_with_ids("op", "operator", kind="king"), BadValue),
            (engine.attach_with_ids("op", "operator", bp_agent_kinds={"a": "king"}), BadValue),
            (engine.attach_with("op", "operator", OperatorInfo(senior_bridge=object())), BadValue),
            (engine.attach("op", "operator", session_id="S-0000000000000000"), SessionNotFound),
            (engine.attach("op", "operator", session_id="x" * 300), LimitExceeded),
            (engine.get_session("S-\udcff"), BadValue),
        ]:
            with pytest.raises(refusal):
                await call
        assert await engine.list_sessions() == []
        assert engine.list_senior_bridge_ids() == []
        assert engine.dispatcher.tokens.logs.owned == set()

    with_engine(test)


def test_who_attaches_with_a_token_stays_within_it():
    async def test(engine):
        login = await engine.mint_token("ada", "operator", scopes=["seat:red"], ttl=100)
        narrow = await engine.mint_token("ada", "operator", scopes=["verb:attach_session"], ttl=100)
        with pytest.raises(ScopeViolation):
            await engine.attach("ada", "operator", token=login.text)
        with pytest.raises(RoleViolation):
            await engine.attach("bob", "operator", token=narrow.text)
        with pytest.raises(RoleViolation):
            await engine.attach("ada", "senior", token=narrow.text)
        with pytest.raises(ScopeWidened):
            await engine.attach("ada", "operator", ttl=200, token=narrow.text)
        with pytest.raises(ScopeWidened):
            await engine.attach("ada", "operator", scopes=["*"], token=narrow.text)
        session = await engine.attach("ada", "operator", token=narrow.text)
        with pytest.raises(ScopeViolation):
            engine.verify_token(session, "start_task")
        await engine.revoke(narrow.id)
        with pytest.raises(TokenRevoked):
            engine.verify_token(session, "attach_session")

    with_engine(test)


# -- the end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["operator", "worker", "observer", "senior"])
def test_every_role_keeps_its_own_session_alive_and_ends_it(role):
    async def test(engine):
        token = await engine.attach("p", role)
        assert (await engine.heartbeat(token)).attached
        await engine.detach(token)
        for call in (engine.heartbeat(token), engine.detach(token)):
            with pytest.raises(AuthorityError):
                await call

    with_engine(test)


def test_detach_ends_the_token_and_leaves_nothing_behind():
    async def test(engine):
        state = engine.ledger.state
        for number in range(5):
            token = await engine.attach_with(
                f"op{number}", "operator", OperatorInfo(senior_bridge=Bridge(), operator=Hands())
            )
            session = await the_session(engine)
            await engine.detach(token)
            with pytest.raises((TokenRevoked, TokenNotFound)):
                engine.verify_token(token, "start_task")
            await settled(engine)
            assert (await engine.get_session(session.id)).ended == "detached"
        assert (state.sessions, engine.dispatcher.tokens.logs.owned) == ({}, set())
        assert len(state.tokens) == 2
        assert engine.list_senior_bridge_ids() == engine.list_operator_ids() == []
        assert await engine.list_sessions() == await engine.list_tokens() == []

    with_engine(test, limits=Limits(ended_sessions=2))


def test_detach_does_not_end_the_work():
    async def test(engine):
        agents = Agents(engine)
        token = await engine.attach("op", "operator")
        session = await the_session(engine)
        task_id = await engine.start_task(token, "gate", 1)
        going = asyncio.create_task(engine.dispatch_attempt(token, task_id))
        await agents.started.wait()
        assert (await the_session(engine)).owned_task_ids == (task_id,)
        await engine.detach(token)
        await settled(engine)
        assert session.id in engine.ledger.state.sessions
        agents.release.set()
        assert (await going).value == "passed"
        await settled(engine)
        assert engine.ledger.state.sessions == {}
        assert engine.dispatcher.tokens.logs.owned == set()

    with_engine(test)


def test_only_the_sessions_own_token_speaks_for_it():
    async def test(engine):
        token = await engine.attach("op", "operator")
        child = await engine.attenuate(token)
        login = await engine.mint_token("op", "operator")
        for other in (child.text, login.text):
            for call in (engine.detach(other), engine.heartbeat(other)):
                with pytest.raises(SessionNotFound):
                    await call
        await engine.detach(token)
        with pytest.raises(TokenRevoked):
            engine.verify_token(child.text, "start_task")

    with_engine(test)


def test_a_revoked_session_is_over_for_good():
    async def test(engine):
        token = await engine.attach("op", "operator")
        session = await the_session(engine)
        await engine.revoke(session.token)
        with pytest.raises(TokenRevoked):
            engine.verify_token(token, "start_task")
        await settled(engine)
        assert (await engine.get_session(session.id)).ended == "revoked"
        with pytest.raises(TokenRevoked, match="attach a new one"):
            await engine.attach("op", "operator", session_id=session.id)

    with_engine(test)


def test_a_session_ends_with_its_time():
    clock = FakeClock()

    async def test(engine):
        token = await engine.attach("op", "operator", ttl=10)
        session = await the_session(engine)
        clock.advance(10_000)
        await settled(engine)
        assert (await engine.get_session(session.id)).ended == "expired"
        assert engine.ledger.state.sessions == {}
        assert await engine.list_tokens() == []
        with pytest.raises(TokenExpired):
            engine.verify_token(token, "start_task")
        fresh = await engine.attach("op", "operator", session_id=session.id)
        engine.verify_token(fresh, "start_task")

    with_engine(test, clock=clock)


# -- heartbeats --------------------------------------------------------------------------------


@pytest.mark.parametrize("promised", [True, False])
def test_who_falls_silent_is_detached(promised):
    clock = FakeClock()

    async def test(engine):
        token = await engine.attach("op", "operator", ttl=10**6, heartbeats=promised)
        session = await the_session(engine)
        if not promised:
            await engine.heartbeat(token)
        for _ in range(4):
            clock.advance(SILENCE - 1)
            assert (await engine.heartbeat(token)).attached
        clock.advance(SILENCE - 1)
        engine.verify_token(token, "start_task")
        clock.advance(1)
        with pytest.raises(TokenRevoked):
            engine.verify_token(token, "start_task")
        await settled(engine)
        assert (await engine.get_session(session.id)).ended == "heartbeat"
        assert clock.waiting == 0

    with_engine(test, clock=clock)


def test_who_never_sent_one_may_be_silent():
    clock = FakeClock()

    async def test(engine):
        token = await engine.attach("op", "operator", ttl=10**6)
        clock.advance(100 * SILENCE)
        engine.verify_token(token, "start_task")

    with_engine(test, clock=clock)


def test_heartbeats_are_recorded_once_an_interval():
    clock = FakeClock()

    async def test(engine):
        token = await engine.attach("op", "operator", ttl=10**6)
        for _ in range(100):
            clock.advance(INTERVAL // 10)
            await engine.heartbeat(token)
        seen = [found for found in await engine.events() if isinstance(found.event, ev.SessionSeen)]
        assert len(seen) == 10
        assert (await the_session(engine)).last_seen == seen[-1].event.at

    with_engine(test, clock=clock)


# -- taken up again ----------------------------------------------------------------------------


def test_a_session_is_taken_up_with_a_fresh_token():
    async def test(engine):
        old = await engine.attach_with_ids("op", "operator", kind="main_ai", scopes=["verb:start_task"])
        first = await the_session(engine)
        fresh = await engine.attach("op", "operator", session_id=first.id, token=old)
        with pytest.raises(TokenRevoked):
            engine.verify_token(old, "start_task")
        engine.verify_token(fresh, "start_task")
        with pytest.raises(ScopeViolation):
            engine.verify_token(fresh, "poll_task")
        again = await the_session(engine)
        assert (again.id, again.attached_at, again.operator_kind) == (first.id, first.attached_at, "main_ai")
        assert len(await engine.list_tokens()) == 1
        await engine.detach(fresh)
        await settled(engine)
        third = await engine.attach("op", "operator", session_id=first.id)
        engine.verify_token(third, "start_task")
        with pytest.raises(ScopeViolation):
            engine.verify_token(third, "poll_task")

    with_engine(test)


def test_who_may_take_a_session_up():
    async def test(engine):
        mine = await engine.attach("ada", "operator", ttl=50)
        session = (await the_session(engine)).id
        theirs = await engine.attach("bob", "operator")
        login = await engine.mint_token("ada", "operator")
        for who, role, token in [
            ("bob", "operator", None),
            ("ada", "senior", None),
            ("ada", "operator", theirs),
            ("bob", "operator", theirs),
        ]:
            with pytest.raises(SessionNotFound):
                await engine.attach(who, role, session_id=session, token=token)
        with pytest.raises(ScopeWidened):
            await engine.attach("ada", "operator", ttl=5_000, session_id=session, token=mine)
        fresh = await engine.attach("ada", "operator", session_id=session, token=login.text)
        await engine.revoke(login.id)
        with pytest.raises(TokenRevoked):
            engine.verify_token(fresh, "start_task")

    with_engine(test)


def test_sessions_outlive_the_process(place):
    async def main():
        async with Engine.open(**place) as engine:
            token = await engine.attach("op", "operator", heartbeats=True)
            gone = await engine.attach("gone", "observer")
            await engine.detach(gone)
        clock = FakeClock(2_000_000_000_000)
        async with Engine.open(**place) as engine:
            session = await the_session(engine)
            assert engine.ledger.state.sessions == {}
            assert (await engine.heartbeat(token)).id == session.id
            with pytest.raises(AuthorityError):
                await engine.heartbeat(gone)
        async with Engine.open(**place, clock=clock) as engine:
            with pytest.raises(TokenExpired):
                await engine.heartbeat(token)
            fresh = await engine.attach("op", "operator", ttl=10**6, session_id=session.id)
            clock.advance(SILENCE)
            with pytest.raises(TokenRevoked):
                engine.verify_token(fresh, "start_task")

    run(main())


def test_the_silence_while_nobody_listened_does_not_count(place):
    async def main():
        clock = FakeClock()
        async with Engine.open(**place, clock=clock) as engine:
            token = await engine.attach("op", "operator", ttl=10**6, heartbeats=True)
        clock.advance(10 * SILENCE)
        async with Engine.open(**place, clock=clock) as engine:
            assert (await engine.heartbeat(token)).attached
            clock.advance(SILENCE)
            with pytest.raises(TokenRevoked):
                engine.verify_token(token, "start_task")

    run(main())


def test_a_session_of_another_process(place):
    async def main():
        clock = FakeClock()
        async with (
            Engine.open(**place, clock=clock) as owner,
            Engine.open(**place, clock=clock) as other,
        ):
            token = await owner.attach("op", "operator", ttl=10**6, heartbeats=True)
            session = await the_session(other)
            for _ in range(3):
                clock.advance(2 * INTERVAL)
                await other.heartbeat(token)
                while await owner.journal.receive([f"session:{session.id}"]):
                    await asyncio.sleep(0.01)
            with pytest.raises(RunOwned):
                await other.attach("op", "operator", session_id=session.id, token=token)
            owner.verify_token(token, "start_task")
            await other.detach(token)
            for engine in (owner, other):
                with pytest.raises(AuthorityError):
                    await engine.heartbeat(token)
            assert (await other.get_session(session.id)).ended == "detached"

    run(main())


def test_only_the_owner_of_a_session_keeps_when_it_was_heard_of(place):
    async def main():
        async with Engine.open(**place) as owner, Engine.open(**place) as other:
            token = await owner.attach("op", "operator", heartbeats=True)
            for _ in range(2):
                await other.heartbeat(token)
            assert (len(owner.sessions._heard), len(other.sessions._heard)) == (1, 0)

    run(main())


def test_tokens_that_have_ended_make_room():
    async def test(engine):
        for number in range(40):
            token = await engine.attach(f"op{number}", "operator")
            await engine.detach(token)
        assert len(engine.ledger.state.tokens) <= 10
        await settled(engine)
        assert engine.ledger.state.sessions == {}

    with_engine(test, limits=Limits(max_tokens=10))


# -- who stands behind agents ------------------------------------------------------------------


def test_backends_by_id():
    async def test(engine):
        for kind, backend in [("senior_bridge", Bridge()), ("spawn_hook", Hook()), ("operator", Hands())]:
            register = getattr(engine, f"register_{kind}")
            unregister = getattr(engine, f"unregister_{kind}")
            ids = getattr(engine, f"list_{kind}_ids")
            register("one", backend)
            register("one", backend)
            register("two", backend)
            assert ids() == ["one", "two"]
            with pytest.raises(LimitExceeded):
                register("three", backend)
            unregister("one")
            unregister("one")
            assert ids() == ["two"]
            for bad in (("", backend), ("x", object())):
                with pytest.raises(BadValue):
                    register(*bad)

    with_engine(test, limits=Limits(max_backends=2))


def test_a_missing_backend_names_those_that_there_are():
    error = BackendMissing("a", ["b", "c"])
    assert (error.backend, error.registered, error.fix) == ("a", ("b", "c"), "registered: b, c")
