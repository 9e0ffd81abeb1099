"""Whose a run is: its own token, what ends it, who may see it, and who stands behind its agents (rows 18, 21, 22)."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, step
from skep import Engine
from skep.core import events as ev
from skep.core.sessions import collapse_operator_kind
from skep.engine.acts import runs as run_acts
from skep.errors import (
    BadValue,
    LimitExceeded,
    RoleViolation,
    RunFailed,
    ScopeViolation,
    TokenNotFound,
    TokenRevoked,
)
from skep.layers.base import Around
from skep.layers.registry import always
from skep.layers.standard import standard_layers
from skep.limits import Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock
from skep.workers.backends import OperatorInfo

NOBODY = OperatorInfo()


@pytest.fixture
def place(tmp_path):
    return {"url": f"sqlite:///{tmp_path}/store.db", "home": tmp_path / "home"}


class Seen:
    """A base layer that keeps what each attempt knew of who stands behind its agent."""

    name = "seen"

    def __init__(self):
        self.by_agent = {}

    def __call__(self, inner):
        seen = self.by_agent

        class Seeing(Around):
            async def spawn(self, ctx):
                seen[ctx.agent] = ctx.operator
                return await self.inner.spawn(ctx)

        return Seeing(inner)


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


def with_engine(test, **options):
    seen = Seen()

    async def main():
        layers = standard_layers().with_base("seen", always(lambda: seen))
        async with Engine.open(**{"url": "memory:", "layers": layers, **options}) as engine:
            return await test(engine, Agents(engine), seen.by_agent)

    return run(main())


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


# -- the run's own token -----------------------------------------------------------------------


def started_event(recorded):
    [event] = [found.event for found in recorded if isinstance(found.event, ev.RunStarted)]
    return event


def test_a_run_of_the_owner_needs_no_token():
    async def test(engine, *_):
        handle = await engine.start(blueprint([step("echo")]))
        await handle.result()
        event = started_event(await engine.events())
        assert (event.starter, event.nonce, event.launcher, event.launchers) == ("owner", None, None, ())

    with_engine(test)


def test_a_run_records_whose_it_is_and_shows_no_nonce():
    async def test(engine, *_):
        login = await engine.mint_token("ada", "operator")
        child = await engine.attenuate(login.text)
        session = await engine.attach("ada", "operator", token=child.text)
        handle = await engine.start(blueprint([step("echo")]), token=session)
        assert await handle.result()
        event = started_event(await engine.events())
        office = engine.dispatcher.tokens
        line = [office.record(office.nonce(text)).session_id for text in (session, child.text, login.text)]
        assert (event.starter, event.launcher, event.launchers) == ("ada", office.nonce(session), tuple(line))
        assert event.nonce not in engine.ledger.state.tokens
        [shown, *_] = [found async for found in engine.run_events(handle.id)]
        assert shown["starter"] == "ada"
        assert not {event.nonce, event.launcher} & set(map(str, shown.values()))

    with_engine(test)


def test_who_may_not_start():
    async def test(engine, *_):
        observer = await engine.attach("o", "observer")
        scoped = await engine.mint_token("p", "operator", scopes=["run:run-1"])
        with pytest.raises(RoleViolation):
            await engine.start(blueprint([step("echo")]), token=observer)
        with pytest.raises(ScopeViolation):
            await engine.start(blueprint([step("echo")]), token=scoped.text)
        assert await engine.list_runs() == []

    with_engine(test)


@pytest.mark.parametrize("end", ["detach", "expiry", "uses"])
def test_a_run_survives_the_end_of_its_launcher(end):
    clock = FakeClock()

    async def test(engine, agents, _):
        token = await engine.attach("op", "operator", ttl=100, max_uses=1 if end == "uses" else None)
        handle = await engine.start(blueprint([step("gate"), step("child")]), token=token)
        await agents.started.wait()
        if end == "detach":
            await engine.detach(token)
        clock.advance(1_000_000 if end == "expiry" else 0)
        await engine.ledger.flushed()
        agents.release.set()
        assert (await handle.result())["out"] == "pass"

    async def main():
        async with Engine.open("memory:", clock=clock) as engine:

            @engine.agent("child")
            async def child(inv):
                task_id = await inv.start_task("echo", 1)
                assert task_id
                return "pass"

            await test(engine, Agents(engine), None)

    run(main())


@pytest.mark.parametrize("which", ["session", "login"])
def test_a_run_ends_when_its_launcher_is_revoked(which):
    async def test(engine, agents, _):
        login = await engine.mint_token("ada", "operator")
        session = await engine.attach("ada", "operator", token=login.text)
        handle = await engine.start(blueprint([step("hang")]), token=session)
        mine = await engine.start(blueprint([step("gate")]))
        await agents.started.wait()
        ids = {info.principal + str(info.parent is None): info.id for info in await engine.list_tokens()}
        await engine.revoke(ids["adaFalse"] if which == "session" else login.id)
        with pytest.raises(RunFailed, match="revoked"):
            await handle.result()
        agents.release.set()
        await mine.result()

    with_engine(test)


async def hidden(engine, clock, token, how):
    """Let the session of a token end, or have another one; the id that the token had."""
    [info] = await engine.list_tokens()
    [session] = await engine.list_sessions()
    if how == "detached":
        await engine.detach(token)
    elif how == "expired":
        clock.advance(1_000_000)
        await until(lambda: not engine.ledger.state.sessions)
    else:
        await engine.attach("ada", "operator", session_id=session.id)
    for _ in range(50):
        await asyncio.sleep(0)  # what leaves memory has left
    return info.id


@pytest.mark.parametrize("how", ["detached", "expired", "taken up again"])
@pytest.mark.parametrize("where", ["here", "elsewhere", "later"])
def test_a_launcher_that_has_ended_can_still_be_revoked(place, how, where):
    clock = FakeClock()

    async def main():
        async with Engine.open(**place, clock=clock) as engine:
            agents = Agents(engine)
            token = await engine.attach("ada", "operator", ttl=100)
            session = (await engine.list_sessions())[0].id
            handle = await engine.start(blueprint([step("hang")]), token=token)
            await agents.started.wait()
            name = await hidden(engine, clock, token, how)
            if where == "here":
                assert await engine.revoke(name) == name
            elif where == "elsewhere":
                async with Engine.open(**place, clock=clock, recover="none") as other:
                    await other.revoke(name)
            if where != "later":
                assert (await handle.wait()).status == "cancelled"
                await until(lambda: not engine.ledger.state.sessions)
                await is_over(engine, session)
                return
        async with Engine.open(**place, clock=clock, recover="none") as engine:
            Agents(engine)
            await engine.revoke(name)
            with pytest.raises(TokenRevoked):
                await engine.resume_run(handle.id)
            await is_over(engine, session)

    async def is_over(engine, session):
        """Nobody attaches to a session again of which a token was revoked."""
        assert await engine.list_tokens() == []
        assert (await engine.get_session(session)).ended == "revoked"
        with pytest.raises(TokenRevoked):
            await engine.attach("ada", "operator", session_id=session)

    run(main())


def test_a_run_ends_when_another_process_revokes_its_launcher(place):
    async def main():
        async with Engine.open(**place) as owner, Engine.open(**place, recover="none") as other:
            agents = Agents(owner)
            login = await other.mint_token("ada", "operator")
            handle = await owner.start(blueprint([step("hang")]), token=login.text)
            await agents.started.wait()
            await other.revoke(login.id)
            assert (await handle.wait()).status == "cancelled"

    run(main())


def test_a_revocation_while_a_run_is_being_started_is_not_missed(place, monkeypatch):
    async def main():
        async with Engine.open(**place) as owner, Engine.open(**place, recover="none") as other:
            agents = Agents(owner)
            others = await other.mint_token("bob", "operator")
            await owner.start(blueprint([step("gate")]), token=others.text)
            await agents.started.wait()
            login = await other.mint_token("ada", "operator")
            acquire = owner.journal.acquire

            async def late(log):
                lease = await acquire(log)
                await other.revoke(login.id)
                await owner.launchers.look()
                return lease

            monkeypatch.setattr(owner.journal, "acquire", late)
            handle = await owner.start(blueprint([step("hang")]), token=login.text)
            assert (await handle.wait()).status == "cancelled"
            agents.release.set()

    run(main())


def test_every_interrupted_run_is_taken_up(place, monkeypatch):
    monkeypatch.setattr(run_acts, "RECOVERED", 2)

    async def main():
        async with Engine.open(**place) as engine:
            agents = Agents(engine)
            for index in range(7):
                await engine.start(blueprint([step("gate" if index % 2 else "hang")]))
            await agents.started.wait()
        async with Engine.open(**place, recover="none") as engine:
            again = Agents(engine, without="hang")
            await engine.recover_all()
            assert (len(engine.drivers), len(engine.unrecovered)) == (3, 4)
            again.release.set()

    run(main())


def test_lists_are_pages():
    async def test(engine, *_):
        for limit in (0, -1, 10_001):
            with pytest.raises(LimitExceeded):
                await engine.list_runs(limit=limit)
        for limit in (0, -1, 5_001):
            with pytest.raises(LimitExceeded):
                await engine.events(limit=limit)

    with_engine(test)


def test_a_run_taken_up_after_its_launcher_was_revoked_is_cancelled(place):
    async def main():
        async with Engine.open(**place) as engine:
            agents = Agents(engine)
            login = await engine.mint_token("ada", "operator")
            child = await engine.attenuate(login.text)
            handles = [await engine.start(blueprint([step("hang")]), token=child.text) for _ in range(2)]
            await agents.started.wait()
        async with Engine.open(**place, recover="none") as engine:
            await engine.revoke(login.id)
        async with Engine.open(**place, recover="none") as engine:
            again = Agents(engine)
            with pytest.raises(TokenRevoked, match="is cancelled: the token that launched it was revoked"):
                await engine.resume_run(handles[0].id)
            await engine.recover_all()
            assert [info.status for info in await engine.list_runs()] == ["cancelled"] * 2
            assert engine.unrecovered == {}
            assert not again.calls
            await until(lambda: not engine.drivers)
            assert engine.ledger.state.runs == {}

    run(main())


def test_a_run_is_taken_up_after_its_launcher_was_detached(place):
    async def main():
        async with Engine.open(**place) as engine:
            agents = Agents(engine)
            token = await engine.attach("op", "operator")
            handle = await engine.start(blueprint([step("gate")]), token=token)
            await agents.started.wait()
            await engine.detach(token)
        async with Engine.open(**place, recover="none") as engine:
            Agents(engine).release.set()
            assert (await (await engine.resume_run(handle.id)).result())["out"] == "passed"

    run(main())


# -- who may see and steer runs ----------------------------------------------------------------


def test_runs_are_seen_and_steered_within_scopes():
    async def test(engine, *_):
        handles = [await engine.start(blueprint([step("echo")])) for _ in range(3)]
        for handle in handles:
            await handle.result()
        one, two, _ = (handle.id for handle in handles)
        scoped = (await engine.mint_token("p", "operator", scopes=[f"run:{one}"])).text
        watcher = (await engine.mint_token("p", "observer", scopes=[f"run:{one}"])).text
        for token in (scoped, watcher):
            assert [info.run_id for info in await engine.list_runs(token=token)] == [one]
            assert (await engine.get_run(one, token=token)).status == "done"
            for call in (engine.get_run(two, token=token), engine.get_run(one[:-1], token=token)):
                with pytest.raises(ScopeViolation):
                    await call
        assert [event async for event in engine.run_events(one, token=watcher)]
        engine.subscribe(one, token=watcher).close()
        for steal in (
            lambda: engine.subscribe(two, token=watcher),
            lambda: engine.subscribe(token=watcher),
        ):
            with pytest.raises(ScopeViolation):
                steal()
        with pytest.raises(ScopeViolation):
            [event async for event in engine.run_events(two, token=watcher)]
        for call in (engine.events(token=watcher), engine.resume_run(two, token=scoped)):
            with pytest.raises(ScopeViolation):
                await call
        with pytest.raises(RoleViolation):
            await engine.resume_run(one, token=watcher)
        with pytest.raises(RoleViolation):
            engine.stats(token=watcher)
        with pytest.raises(RoleViolation):
            await engine.recover_all(token=watcher)
        assert [info.run_id for info in await engine.list_runs(limit=2)] == [handles[2].id, two]

    with_engine(test)


def test_a_scope_that_is_the_beginning_of_an_id_opens_nothing():
    async def test(engine, *_):
        handle = await engine.start(blueprint([step("echo")]))
        await handle.result()
        token = (await engine.mint_token("p", "observer", scopes=[f"run:{handle.id[:-2]}"])).text
        with pytest.raises(ScopeViolation):
            await engine.get_run(handle.id[:-2], token=token)
        assert await engine.list_runs(token=token) == []

    with_engine(test)


def test_an_unknown_token_sees_nothing():
    async def test(engine, *_):
        token = await engine.attach("o", "observer")
        await engine.detach(token)
        for call in (engine.list_runs(token=token), engine.events(token=token)):
            with pytest.raises((TokenNotFound, TokenRevoked)):
                await call

    with_engine(test)


# -- who stands behind agents ------------------------------------------------------------------

OPERATED = {
    "operators": [{"name": "lead", "kind": "main_ai"}],
    "agents": [
        {"name": "a", "kind": "python", "spec": {"fn_id": "identity", "operator_ref": "lead"}},
        {"name": "b", "kind": "python", "spec": {"fn_id": "identity"}},
    ],
}


def kinds_of(launch, **fields):
    async def test(engine, _, seen):
        flow = [step("a"), step("b")]
        handle = await engine.start(blueprint(flow, **{**OPERATED, **fields}), **launch)
        await handle.result()
        return seen["a"].kind, seen["b"].kind

    return with_engine(test)


@pytest.mark.parametrize(
    ("launch", "fields", "kinds"),
    [
        ({}, {"operators": []}, ("automate", "automate")),
        ({}, {}, ("main_ai", "automate")),
        ({}, {"default_operator_kind": "composite"}, ("main_ai", "composite")),
        ({"operator_kind": "automate"}, {"default_operator_kind": "main_ai"}, ("automate", "automate")),
        ({"operator_kind": "composite"}, {}, ("composite", "composite")),
        (
            {"operator_kind": "automate", "operator_kind_overrides": {"b": "main_ai"}},
            {},
            ("automate", "main_ai"),
        ),
    ],
)
def test_the_cascade(launch, fields, kinds):
    fields = dict(fields)
    if fields.get("operators") == []:
        fields["agents"] = [{"name": name, "kind": "python", "spec": {"fn_id": "identity"}} for name in "ab"]
    assert kinds_of(launch, **fields) == kinds


def test_the_cascade_as_a_function():
    for tiers, kind in [
        (({"g": "composite"}, "automate", {"g": "main_ai"}, "main_ai"), "composite"),
        (({}, "automate", {"g": "main_ai"}, "main_ai"), "automate"),
        (({"h": "composite"}, None, {"g": "main_ai"}, "composite"), "main_ai"),
        (({}, None, {"h": "main_ai"}, "composite"), "composite"),
        (({}, None, {}, None), "automate"),
    ]:
        assert collapse_operator_kind("g", *tiers) == kind


def test_a_launch_that_says_nonsense_about_operators():
    async def test(engine, *_):
        for wrong in (
            {"operator_kind": "king"},
            {"operator_kind_overrides": {"b": "king"}},
            {"operator_kind_overrides": {"nobody": "main_ai"}},
            {"bridge_id": 7},
        ):
            with pytest.raises(BadValue):
                await engine.start(blueprint([step("a")], **OPERATED), **wrong)
        assert await engine.list_runs() == []

    with_engine(test)


def test_nobody_stands_behind_an_agent_of_which_nothing_is_said():
    async def test(engine, _, seen):
        await (await engine.start(blueprint([step("echo")]))).result()
        assert seen["echo"] is not None
        assert seen["echo"] == NOBODY

    with_engine(test)


def test_backends_of_a_run_are_resolved_when_an_attempt_begins():
    async def test(engine, _, seen):
        bridge, hook, hands = Bridge(), Hook(), Hands()
        engine.register_senior_bridge("b", bridge)
        engine.register_spawn_hook("h", hook)
        engine.register_operator("o", hands)
        launch = {"bridge_id": "b", "hook_id": "h", "operator_backend_id": "o"}
        await (await engine.start(blueprint([step("echo")]), **launch)).result()
        info = seen["echo"]
        assert (info.kind, info.id) == ("automate", "owner")
        assert (info.senior_bridge, info.spawn_hook, info.operator) == (bridge, hook, hands)

    with_engine(test)


def test_a_missing_backend_is_waited_for():
    clock = FakeClock()

    async def test(engine, agents, _):
        engine.register_operator("other", Hands())
        waits = await engine.start(blueprint([step("echo")]), operator_backend_id="late")
        await until(lambda: clock.waiting)
        engine.register_operator("late", Hands())
        await waits.result()
        fails = await engine.start(blueprint([step("echo")]), bridge_id="never")
        await until(lambda: clock.waiting)
        clock.advance(29_999)
        assert not agents.calls[f"{fails.id}/echo"]
        clock.advance(1)
        with pytest.raises(RunFailed, match="backend 'never' is not registered"):
            await fails.result()
        ended = await engine.start(blueprint([step("echo")]), hook_id="never")
        await until(lambda: clock.waiting)
        assert (await ended.cancel()).status == "cancelled"
        assert sum(agents.calls.values()) == 1

    with_engine(test, clock=clock, limits=Limits(backend_grace=30))


def test_who_stands_behind_a_run_is_found_by_recovery(place):
    async def main():
        async with Engine.open(**place) as engine:
            agents = Agents(engine)
            engine.register_operator("o", Hands())
            handle = await engine.start(
                blueprint([step("gate"), step("echo")]), operator_kind="main_ai", operator_backend_id="o"
            )
            await agents.started.wait()
        seen, hands = Seen(), Hands()
        layers = standard_layers().with_base("seen", always(lambda: seen))
        async with Engine.open(**place, recover="none", layers=layers) as engine:
            Agents(engine).release.set()
            handle = await engine.resume_run(handle.id)
            engine.register_operator("o", hands)
            await handle.result()
        assert (seen.by_agent["echo"].kind, seen.by_agent["echo"].operator) == ("main_ai", hands)

    run(main())


def test_who_stands_behind_a_task_of_a_session():
    async def test(engine, _, seen):
        bridge = Bridge()
        token = await engine.attach_with(
            "ada", "operator", OperatorInfo(kind="composite", senior_bridge=bridge)
        )
        await engine.dispatch_attempt(token, await engine.start_task(token, "echo", 1))
        assert (seen["echo"].kind, seen["echo"].id) == ("composite", "ada")
        assert seen["echo"].senior_bridge is bridge

    with_engine(test)
