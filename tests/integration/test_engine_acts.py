"""The token-guarded verbs (rows 8, 9 and 11-13 of the reference's table, defects 1-4, 28-30 of its section 12.2)."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, step
from skep import Engine
from skep.core.outcomes import Blocked, Cancelled, Pass, Timeout
from skep.core.outputs import FileRef, Final, final
from skep.errors import (
    AttemptEnded,
    BadFileRef,
    BadSignature,
    DispatchFailed,
    InvalidTransition,
    NotRegistered,
    RoleViolation,
    SpawnDepthExceeded,
    TokenExpired,
    TokenNotFound,
    TokenTaskMismatch,
    TokenUsesExhausted,
)
from skep.layers.registry import LayerRegistry, always
from skep.limits import DEFAULT_LIMITS
from skep.testing.aio import run
from skep.testing.clock import FakeClock
from skep.workers.base import wrap_join


def acting(test, **options):
    """Run `test(engine, agents, operator_token)` on an engine in memory."""

    async def main():
        async with Engine.open("memory:", **options) as engine:
            agents = Agents(engine)
            token = await engine.attach("op", "operator")
            return await test(engine, agents, token)

    return run(main())


def test_an_observer_may_not_start_a_task():
    async def test(engine, _, __):
        token = await engine.attach("eye", "observer")
        with pytest.raises(RoleViolation, match="role=observer verb=start_task"):
            await engine.start_task(token, "echo", "hi")

    acting(test)


def test_start_dispatch_and_read():
    async def test(engine, _, token):
        task_id = await engine.start_task(token, "echo", {"b": 1, "a": 2})
        assert (await engine.read_task_state(token, task_id)).status == "pending"
        assert await engine.dispatch_attempt(token, task_id) == Pass({"b": 1, "a": 2})
        settled = await engine.read_task_state(token, task_id)
        assert (settled.status, settled.attempt) == ("pass", 1)
        assert task_id not in engine.ledger.state.tasks
        tail = await engine.output_tail(token, task_id, 1)
        assert [type(event) for event in tail] == [Final]

    acting(test)


def test_a_settled_task_is_not_dispatched_again():
    async def test(engine, _, token):
        task_id = await engine.start_task(token, "no", None)
        assert await engine.dispatch_attempt(token, task_id) == Blocked({"verdict": "no"})
        with pytest.raises(Exception, match="has settled: blocked"):
            await engine.dispatch_attempt(token, task_id)

    acting(test)


def test_a_running_task_is_not_dispatched_twice():
    async def test(engine, agents, token):
        task_id = await engine.start_task(token, "gate", None)
        first = asyncio.ensure_future(engine.dispatch_attempt(token, task_id))
        await agents.started.wait()
        with pytest.raises(InvalidTransition):
            await engine.dispatch_attempt(token, task_id)
        agents.release.set()
        assert await first == Pass("passed")

    acting(test)


def test_a_failing_worker_settles_its_task_and_says_so():
    async def test(engine, _, token):
        task_id = await engine.start_task(token, "boom", None)
        with pytest.raises(DispatchFailed, match="ValueError: bad"):
            await engine.dispatch_attempt(token, task_id)
        assert (await engine.read_task_state(token, task_id)).status == "blocked"

    acting(test)


def test_cancel_ends_the_worker_and_stays():
    async def test(engine, agents, token):
        task_id = await engine.start_task(token, "hang", None)
        dispatched = asyncio.ensure_future(engine.dispatch_attempt(token, task_id))
        await agents.started.wait()
        await engine.cancel_task(token, task_id)
        assert await dispatched == Cancelled()
        assert (await engine.read_task_state(token, task_id)).status == "cancelled"

    acting(test)


def test_the_second_of_two_finals_decides():
    async def test(engine, _, token):
        @engine.agent("twice")
        async def twice(inv):
            inv.emit(final("first", ok=False))
            return "second"

        task_id = await engine.start_task(token, "twice", None)
        assert await engine.dispatch_attempt(token, task_id) == Pass("second")
        tail = await engine.output_tail(token, task_id, 1)
        assert [event.ok for event in tail] == [False, True]

    acting(test)


def test_a_file_ref_is_taken_in_and_its_fields_stay(tmp_path):
    (tmp_path / "out.txt").write_text("made")
    (tmp_path / "link").symlink_to("/etc/hostname")

    async def main():
        async with Engine.open("memory:") as engine:

            @engine.agent("file")
            async def file(inv):
                for outside in ("/etc/hostname", "../x", "link", ".", "missing"):
                    with pytest.raises(BadFileRef):
                        inv.emit(Final(FileRef(outside)))
                inv.emit(Final(FileRef("out.txt", mime="text/plain", size_hint=4)))

            handle = await engine.start(blueprint(step("file")), {}, work_dir=tmp_path)
            await handle.wait()
            return [
                event async for event in handle.events() if event["kind"] == "worker_output"
            ], await handle.wait()

    events, info = run(main())
    assert events[0]["event"]["content"]["path"] == "out.txt"
    assert info.status == "done"


def test_a_worker_starts_and_awaits_children_of_its_own_down_to_depth_four():
    async def test(engine, _, __):
        depths = []

        @engine.agent("dig")
        async def dig(inv):
            depths.append(inv.input)
            try:
                child = await engine.start_task(inv.token, "dig", inv.input + 1)
            except SpawnDepthExceeded as error:
                return str(error)
            outcome = await engine.dispatch_attempt(inv.token, child)
            state = await engine.read_task_state(inv.token, child)
            assert state.parent == inv.task_id
            return outcome.value

        handle = await engine.start(blueprint(step("dig", "$.depth")), {"depth": 0})
        return (await handle.result())["out"], depths

    said, depths = acting(test)
    assert depths == [0, 1, 2, 3, 4]
    assert said == "spawn depth exceeded: 5 > max 4"
    assert DEFAULT_LIMITS.max_spawn_depth == 4


def test_a_worker_may_touch_only_what_it_started():
    async def test(engine, agents, token):
        other = await engine.start_task(token, "echo", 1)

        @engine.agent("nosy")
        async def nosy(inv):
            with pytest.raises(TokenTaskMismatch):
                await engine.read_task_state(inv.token, other)
            with pytest.raises(TokenTaskMismatch):
                await engine.cancel_task(inv.token, other)
            with pytest.raises(NotRegistered):
                await engine.start_task(inv.token, "stranger", 1)
            assert await engine.fetch_prompt(inv.token, inv.task_id) == inv.prompt == '{"x":1}'
            return "ok"

        handle = await engine.start(blueprint(step("nosy")), {"x": 1})
        assert (await handle.result())["out"] == "ok"

    acting(test)


def test_children_end_with_the_attempt_that_started_them():
    async def test(engine, agents, _):
        started, ended = asyncio.Event(), asyncio.Event()

        @engine.agent("child")
        async def child(inv):
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        @engine.agent("parent")
        async def parent(inv):
            task = await engine.start_task(inv.token, "child", None)
            background.append(asyncio.ensure_future(engine.dispatch_attempt(inv.token, task)))
            await started.wait()
            return "gone"

        background = []
        handle = await engine.start(blueprint(step("parent")), {})
        await handle.result()
        assert ended.is_set()
        assert await background[0] == Cancelled()
        assert engine.stats()["open_tasks"] == 0

    acting(test)


def test_a_workers_token_ends_with_its_attempt():
    async def test(engine, _, __):
        kept = []

        @engine.agent("leaky")
        async def leaky(inv):
            kept.extend((inv, inv.token))
            await engine.submit_output(inv.token, inv.task_id, inv.attempt, final("by token"))
            return "done"

        handle = await engine.start(blueprint(step("leaky")), {})
        await handle.result()
        inv, token = kept
        with pytest.raises(TokenNotFound):
            await engine.submit_output(token, inv.task_id, inv.attempt, final("late"))
        with pytest.raises(AttemptEnded):
            inv.emit(final("late"))

    acting(test)


def test_tokens_expire_are_used_up_and_cannot_be_forged():
    clock = FakeClock()

    async def test(engine, _, __):
        once = await engine.attach("op", "operator", max_uses=1)
        await engine.start_task(once, "echo", 1)
        with pytest.raises(TokenUsesExhausted):
            await engine.start_task(once, "echo", 1)
        short = await engine.attach("op", "operator", ttl=10)
        clock.advance(11_000)
        with pytest.raises(TokenExpired):
            await engine.start_task(short, "echo", 1)
        with pytest.raises(BadSignature):
            await engine.start_task(short[:-8] + "AAAAAAAA", "echo", 1)

    acting(test, clock=clock)


def test_calls_from_another_thread_reach_the_loop():
    async def test(engine, _, token):
        def elsewhere():
            started = engine.threadsafe.run(engine.start_task(token, "echo", "hi")).result(10)
            return engine.threadsafe.call(lambda: engine.ledger.state.tasks[started].status).result(10)

        return await asyncio.to_thread(elsewhere)

    assert acting(test) == "pending"


@pytest.mark.parametrize("end", ["timeout", "cancel", "wait_for"])
def test_a_run_ends_although_its_worker_waited_for_a_child(end):
    async def test(engine, agents, _):
        @engine.agent("waits")
        async def waits(inv):
            child = await engine.start_task(inv.token, "hang", None)
            dispatched = engine.dispatch_attempt(inv.token, child)
            await (asyncio.wait_for(dispatched, 0.05) if end == "wait_for" else dispatched)

        waiting = step("waits", timeout=0.1) if end == "timeout" else step("waits")
        handle = await engine.start(blueprint(waiting), {})
        await agents.started.wait()
        info = await (handle.cancel() if end == "cancel" else handle.wait())
        assert info.status == ("cancelled" if end == "cancel" else "failed")
        assert engine.stats()["open_tasks"] == 0

    acting(test)


def test_a_child_goes_on_when_who_dispatched_it_has_gone():
    async def test(engine, agents, token):
        task_id = await engine.start_task(token, "gate", None)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.dispatch_attempt(token, task_id), 0.05)
        agents.release.set()
        while task_id in engine.ledger.state.tasks:
            await asyncio.sleep(0)
        assert (await engine.read_task_state(token, task_id)).status == "pass"

    acting(test)


def test_a_cancel_while_the_last_child_ends_is_too_late_and_harmless():
    async def test(engine, agents, _):
        holding, go = asyncio.Event(), asyncio.Event()

        @engine.agent("slow_to_end")
        async def slow_to_end(inv):
            try:
                holding.set()
                await asyncio.Event().wait()
            finally:
                await go.wait()

        @engine.agent("parent")
        async def parent(inv):
            child = await engine.start_task(inv.token, "slow_to_end", None)
            background.append(asyncio.ensure_future(engine.dispatch_attempt(inv.token, child)))
            await holding.wait()
            return "done"

        background = []
        handle = await engine.start(blueprint(step("parent")), {})
        await holding.wait()
        while handle._driver._ended is None:
            await asyncio.sleep(0)
        cancelling = asyncio.ensure_future(handle.cancel())
        await asyncio.sleep(0)
        go.set()
        assert (await cancelling).status == "done"

    acting(test)


def test_a_started_task_has_its_agents_timeout():
    async def test(engine, _, token):
        @engine.agent("short", timeout=0.05)
        async def short(inv):
            await asyncio.Event().wait()

        task_id = await engine.start_task(token, "short", None)
        assert await engine.dispatch_attempt(token, task_id) == Timeout()

    acting(test)


def test_a_flow_step_is_dispatched_by_its_run_only():
    async def test(engine, agents, token):
        retry = {"max_attempts": 2, "backoff": {"initial": 30}}
        handle = await engine.start(blueprint(step("boom", retry=retry)), {})
        while not (pending := [t for t in engine.ledger.state.tasks.values() if t.retry_at]):
            await asyncio.sleep(0)
        with pytest.raises(InvalidTransition, match="a step of its flow"):
            await engine.dispatch_attempt(token, pending[0].id)
        assert (await handle.cancel()).status == "cancelled"

    acting(test)


def test_closing_ends_the_workers_of_sessions_too():
    async def main():
        async with Engine.open("memory:") as engine:
            agents = Agents(engine)
            token = await engine.attach("op", "operator")
            task_id = await engine.start_task(token, "hang", None)
            dispatched = asyncio.ensure_future(engine.dispatch_attempt(token, task_id))
            await agents.started.wait()
        with pytest.raises((InvalidTransition, asyncio.CancelledError)):
            await dispatched

    run(main())


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_layer_overrides_a_result_of_any_size(size):
    class Shout:
        name = "shout"

        def __call__(self, inner):
            class Shouting:
                runs_ahead = True

                async def spawn(self, ctx):
                    async def after(outcome):
                        value, ok = ctx.channel.last_final()
                        ctx.channel.append(final(value.upper(), ok=ok), by="layer:shout")
                        return outcome

                    return wrap_join(await inner.spawn(ctx), after, name="shout")

            return Shouting()

    async def test(engine, _, __):
        handle = await engine.start(blueprint(step("echo", "$.text")), {"text": "x" * size})
        result = await handle.result()
        outputs = [event async for event in handle.events() if event["kind"] == "worker_output"]
        assert result["out"] == "X" * size
        assert [event.get("by") for event in outputs] == [None, "layer:shout"]

    acting(test, layers=LayerRegistry().with_base("shout", always(Shout)))
