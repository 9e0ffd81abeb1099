from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from skep import values
from skep.core.outputs import FileRef, Final, final
from skep.errors import (
    ConfigError,
    LimitExceeded,
    LuaError,
    LuaProcessFailed,
    RejectedByMiddleware,
    SpawnError,
    WorkerCancelled,
    WorkerFailed,
)
from skep.layers.base import Around
from skep.layers.lua import LuaLayer, LuaMiddleware
from skep.layers.lua_shared import HOOK_LIMITS, SHARED, SharedPool
from skep.layers.stack import Stack
from skep.lua.isolation.pool import ChildPool
from skep.lua.isolation.runner import ChildRunner
from skep.lua.limits import Limits
from skep.lua.pool import LuaPool, Strategy
from skep.lua.runner import Script
from skep.testing.aio import run
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.backends import OperatorInfo
from skep.workers.base import CancelToken, WorkerResult, wrap_join
from skep.workers.python.spawner import InProcSpawner


@pytest.fixture(autouse=True)
def _no_pool_is_left():
    yield
    SHARED.drop(None)
    assert SHARED.pool is None


async def echo(inv):
    return inv.input


def attempt(layer, given=None, worker=echo, **fields):
    """The attempt behind `layer`, as the engine's side of it; raises what its start or join raises."""

    async def main():
        channel = FakeAttempt()
        ctx = make_ctx(given, channel=channel, **fields)
        joined = await Stack(InProcSpawner(worker)).layer(layer).spawn(ctx)
        await joined.join()
        return channel

    return run(main())


def test_a_gate_that_raises_rejects_with_its_name_and_line():
    layer = LuaLayer(Script("return function(ctx)\n  error('only once')\nend", "gate.lua"))
    started = []

    async def work():
        started.append(1)

    with pytest.raises(
        RejectedByMiddleware, match=r"rejected by middleware: lua before: gate\.lua:2: only once"
    ):
        attempt(layer, worker=work)
    assert started == []
    with pytest.raises(RejectedByMiddleware, match="before:1: syntax error"):
        attempt(LuaLayer("nonsense"))


def test_what_a_script_says_is_cut():
    with pytest.raises(RejectedByMiddleware) as caught:
        attempt(LuaLayer("return function() error(string.rep('x', 6000), 0) end"))
    assert len(str(caught.value)) < 4_200


@pytest.mark.parametrize(
    "returned", ["", "false", "'no'", "{}", "print", "0/0", "'\\xff'", "setmetatable({}, {}), print", "_G"]
)
def test_what_a_gate_returns_does_not_count(returned):
    source = f"return function() return {returned} end"
    assert attempt(LuaLayer(source), 1).finals == [(1, True)]
    assert attempt(LuaLayer().before(source), 1).finals == [(1, True)]


def test_what_a_strangers_gate_returns_does_not_count():
    async def main():
        pool = ChildPool()
        layer = LuaLayer("return function() return print end", runner=lambda _ctx: ChildRunner(pool, "run"))
        channel = FakeAttempt()
        ctx = make_ctx(1, channel=channel)
        worker = await Stack(InProcSpawner(echo)).layer(layer).spawn(ctx)
        await worker.join()
        await pool.shutdown()
        return channel.finals

    assert run(main()) == [(1, True)]


def test_a_gate_that_gives_no_function_rejects():
    with pytest.raises(RejectedByMiddleware, match="must return a function, it returned a number"):
        attempt(LuaLayer("return 1"))


def test_a_gate_sees_the_attempt_as_a_copy():
    operator = OperatorInfo(kind="main_ai", id="chief")
    meta = {"project_name_alias": "hive", "list": [1]}
    layer = LuaLayer(
        before="return function(ctx) ctx.meta.list[1] = 9 ctx.agent = 'x' end",
        after="return function(ctx, out) return {value = ctx} end",
    )
    channel = attempt(layer, attempt=2, operator=operator, meta=meta, run_id=None)
    assert channel.last_final() == (
        {
            "task_id": "T-0000000000000001",
            "attempt": 2,
            "agent": "tester",
            "run_id": None,
            "operator": {"kind": "MainAi", "kind_name": "main_ai", "id": "chief"},
            "meta": {"project_name_alias": "hive", "list": [1]},
        },
        True,
    )
    assert meta["list"] == [1]


@pytest.mark.parametrize(
    ("kind", "published"), [("automate", "Automate"), ("composite", "Composite"), ("main_ai", "MainAi")]
)
def test_the_operators_kind_is_spelled_as_published(kind, published):
    layer = LuaLayer(after="return function(ctx) return {value = ctx.operator.kind} end")
    assert attempt(layer, operator=OperatorInfo(kind=kind)).last_final() == (published, True)


@pytest.mark.parametrize(
    ("returned", "became"),
    [
        ("{value = out.value + 1, ok = false}", (2, False)),
        ("{value = out.value}", (1, True)),
        ("{ok = true}", (None, True)),
        ("{value = null, ok = 'no'}", (None, True)),
        ("{value = {}, ok = null}", ({}, True)),
        ("{}", (None, True)),
    ],
)
def test_a_transform_appends_value_and_ok(returned, became):
    channel = attempt(LuaLayer(after=f"return function(ctx, out) return {returned} end"), 1)
    assert channel.last_final() == became
    assert channel.finals == [(1, True)]
    assert [(type(event), by) for event, by in channel.appended] == [(Final, "layer:lua")]


def test_an_ok_that_is_missing_keeps_a_bad_one():
    async def bad():
        return WorkerResult("poor", ok=False)

    layer = LuaLayer(after="return function(ctx, out) return {value = {out.value, out.ok}} end")
    assert attempt(layer, worker=bad).last_final() == (["poor", False], False)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("return function() end", "after returned null, not a table"),
        ("return function() return 1 end", "after returned number"),
        ("return function() return array{1, 2} end", "after returned array"),
        ("return function() error('bad luck') end", "after:1: bad luck"),
        ("return function() return {value = print} end", "no JSON form"),
        ("return function() return {value = 0/0} end", "no JSON form"),
        ("return 7", "function"),
        ("return function( end", "after:1: "),
    ],
)
@pytest.mark.parametrize("on_error", ["block", "keep"])
def test_a_failing_transform_blocks_or_keeps_and_is_told(source, says, on_error, caplog):
    layer = LuaLayer(after=source, on_error=on_error)
    if on_error == "block":
        with pytest.raises(WorkerFailed, match="lua after: ") as caught:
            attempt(layer, 1)
        assert says in str(caught.value)
        return
    with caplog.at_level(logging.WARNING, "skep.layers"):
        channel = attempt(layer, 1)
    assert channel.last_final() == (1, True)
    [(event, by)] = channel.appended
    assert (event.name, by) == ("lua_error", "layer:lua")
    assert says in values.decode(event.content.value)
    assert "result kept" in caplog.text


def test_a_transform_runs_only_after_a_good_end_with_a_value_in_place():
    layer = LuaLayer(after="return function() error('called') end")

    async def fails():
        raise ValueError("bad")

    with pytest.raises(WorkerFailed, match="worker fn returned error: ValueError: bad"):
        attempt(layer, worker=fails)

    async def files(inv):
        inv.emit(Final(FileRef("/tmp/x")))  # noqa: S108 - nobody opens it

    assert attempt(layer, worker=files).appended == []

    class Silent:
        runs_ahead = True

        async def spawn(self, ctx):
            async def nothing():
                return None

            return await InProcSpawner(nothing).spawn(ctx.replace(channel=FakeAttempt()))

    async def main():
        channel = FakeAttempt()
        worker = await layer(Silent()).spawn(make_ctx(channel=channel))
        await worker.join()
        return channel

    assert run(main()).appended == []


@pytest.mark.parametrize(("where", "closed"), [("thread", True), ("inline", False)])
def test_the_worker_can_say_nothing_more_while_a_hook_is_waited_for(where, closed):
    pool = LuaPool(1)
    layer = LuaLayer(after="return function(_, out) return out end", pool=pool, where=where)
    assert attempt(layer, 1).closed is closed
    pool.shutdown()


def test_without_hooks_it_is_the_identity():
    inner = InProcSpawner(echo)
    assert LuaLayer()(inner) is inner
    assert LuaMiddleware is LuaLayer


def test_the_builders_return_copies():
    plain = LuaLayer()
    gated = plain.before("return function() error('shut') end")
    both = gated.after("return function(_, out) return {value = 'changed'} end")
    assert (plain.gate, plain.transform, gated.transform) == (None, None, None)
    with pytest.raises(RejectedByMiddleware):
        attempt(both)
    pool = LuaPool(1, init="name = 'mine'")
    pooled = LuaLayer(after="return function() return {value = name} end").with_pool(pool)
    assert attempt(pooled).last_final() == ("mine", True)
    pool.shutdown()
    with pytest.raises(ConfigError):
        LuaLayer(pool=pool, runner=lambda _ctx: None)


# -- trouble that is no rejection ----------------------------------------------------------------


class _Failing:
    def __init__(self, error):
        self.error = error

    async def hook(self, script, *args, cancel=None):
        raise self.error


def test_trouble_on_the_way_to_a_gate_is_an_error_of_the_start():
    gate = "return function() end"
    empty = LuaPool(1)
    empty.shutdown()
    with pytest.raises(SpawnError, match="lua before: the pool") as caught:
        attempt(LuaLayer(gate, pool=empty))
    assert type(caught.value) is SpawnError
    for trouble in (LuaProcessFailed("gone"), LimitExceeded("wall", 1)):
        with pytest.raises(SpawnError, match="lua before: ") as caught:
            attempt(LuaLayer(gate, runner=lambda _ctx, trouble=trouble: _Failing(trouble)))
        assert type(caught.value) is SpawnError
    with pytest.raises(RejectedByMiddleware):
        attempt(LuaLayer(gate, runner=lambda _ctx: _Failing(LuaError("its own"))))


def test_an_endless_gate_ends_by_the_limit_and_the_next_hook_works():
    pool = LuaPool(1, limits=Limits(wall=0.05))
    with pytest.raises(SpawnError, match=r"limit wall of 0\.05"):
        attempt(LuaLayer("return function() while true do pcall(error) end end", pool=pool))
    assert attempt(LuaLayer("return function() end", pool=pool), 1).finals == [(1, True)]
    pool.shutdown()


@pytest.mark.parametrize("hook", ["before", "after"])
def test_cancel_ends_a_hook_in_a_thread_at_once(hook):
    pool = LuaPool(1, limits=Limits(wall=60))
    source = "return function() while true do end end"

    async def main():
        ctx = make_ctx(1)
        layer = LuaLayer(**{hook: source}, pool=pool, where="thread", on_error="keep")

        async def perform():
            worker = await Stack(InProcSpawner(echo)).layer(layer).spawn(ctx)
            await worker.join()

        performing = asyncio.ensure_future(perform())
        while pool.in_use == 0:
            await asyncio.sleep(0.001)
        ctx.cancel_token.cancel("enough")
        async with asyncio.timeout(5):
            with pytest.raises(WorkerCancelled):
                await performing
        return ctx.channel.appended

    assert run(main()) == []
    pool.shutdown()


def test_two_hooks_at_once_share_a_pool_of_one():
    pool = LuaPool(1)
    layer = LuaLayer(
        after="return function(_, out) return {value = -out.value} end", pool=pool, where="thread"
    )

    async def main():
        async def one(n):
            channel = FakeAttempt()
            worker = await layer(InProcSpawner(echo)).spawn(make_ctx(n, channel=channel))
            await worker.join()
            return channel.last_final()

        return await asyncio.gather(*(one(n) for n in range(20)))

    assert run(main()) == [(-n, True) for n in range(20)]
    pool.shutdown()


def test_no_vm_is_held_while_the_worker_runs():
    pool = LuaPool(1)
    held = []

    async def work():
        held.append(pool.in_use)

    hook = "return function() return {} end"
    attempt(LuaLayer(hook, hook, pool), worker=work)
    assert held == [0]
    pool.shutdown()


def test_a_chunk_is_evaluated_on_every_call_and_globals_of_a_warm_vm_stay():
    source = "local mine = 0 return function() mine = mine + 1 all = (all or 0) + 1 return {value = {mine, all}} end"

    def twice(pool):
        found = [attempt(LuaLayer(after=source, pool=pool)).last_final()[0] for _ in range(2)]
        pool.shutdown()
        return found

    assert twice(LuaPool(1)) == [[1, 1], [1, 2]]
    assert twice(LuaPool(1, Strategy.COLD)) == [[1, 1], [1, 1]]


def test_the_layers_inside_see_and_are_overridden():
    def adding(n):
        return LuaLayer(after=f"return function(_, out) return {{value = out.value .. '{n}'}} end")

    async def main():
        channel = FakeAttempt()
        stack = Stack(InProcSpawner(echo))
        for n in range(10):
            stack = stack.layer(adding(n))
        worker = await stack.spawn(make_ctx("", channel=channel))
        ident = worker.id
        await worker.join()
        return channel, ident, worker

    channel, ident, worker = run(main())
    assert channel.last_final() == ("0123456789", True)
    assert len(channel.appended) == 10
    assert worker.id == ident
    assert isinstance(worker.cancel_token, CancelToken)


def test_a_result_of_another_layer_is_what_it_transforms():
    class Inner(Around):
        async def spawn(self, ctx):
            async def after(outcome):
                ctx.channel.append(final("theirs"), by="layer:x")
                return outcome

            return wrap_join(await self.inner.spawn(ctx), after)

    async def main():
        channel = FakeAttempt()
        layer = LuaLayer(after="return function(_, out) return {value = out.value .. '!'} end")
        worker = await layer(Inner(InProcSpawner(echo))).spawn(make_ctx("mine", channel=channel))
        await worker.join()
        return channel.last_final()

    assert run(main()) == ("theirs!", True)


# -- the shared pool -----------------------------------------------------------------------------


def test_the_shared_pool_is_made_at_first_use_and_closed_with_its_last_holder():
    shared = SharedPool()
    shared.hold("a")
    shared.hold("b")
    assert shared.pool is None
    runner = shared.runner("inline")
    pool = shared.pool
    assert (pool.max_size, pool.limits) == (4, HOOK_LIMITS)
    assert shared.runner("inline") is runner
    shared.drop("a")
    assert shared.pool is pool
    lease = pool.try_checkout()
    shared.drop("b")
    assert shared.pool is pool
    lease.release()
    shared.drop("c")
    assert shared.pool is None
    assert shared.runner("inline") is not runner
    shared.drop(None)


def test_hooks_leave_nothing_behind():
    layer = LuaLayer("return function() end", "return function(_, out) return out end")
    attempt(layer, {"x": 1})
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(50):
        attempt(layer, {"x": 1})
    gc.collect()
    assert len(gc.get_objects()) - before < 50
