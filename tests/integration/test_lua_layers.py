"""Lua layers and workers in an engine: from a Blueprint, of strangers, cancelled, recovered, and the example."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.engines import Agents, blueprint, step

from skep import Engine
from skep.core.outputs import final
from skep.errors import BlueprintError, ConfigError, LuaError, RunFailed
from skep.layers.lua import LuaLayer
from skep.layers.lua_hint import HINT, LuaHooks
from skep.layers.lua_shared import SHARED
from skep.layers.registry import always
from skep.layers.standard import standard_layers
from skep.lua.isolation.pool import ChildPool
from skep.lua.limits import Limits
from skep.lua.pool import LuaPool
from skep.testing.aio import run
from skep.workers.lua.scripts import LuaScripts

ROOT = Path(__file__).resolve().parents[2]
BLUEPRINT = str(ROOT / "examples" / "lua_gate" / "blueprint.yaml")

both = pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "untrusted"])


def source(text):
    return {"source": text, "name": "hook.lua"}


def gate(text):
    return {"lua": {"before": source(text)}}


def transform(text, **options):
    return {"lua": {"after": source(text), **options}}


def ran(*layers, given=1, agent="echo", trusted=True, fields=None):
    """The result of one step behind `layers`, or the error's text; and its outputs as `(event, by)`."""

    async def main():
        async with Engine.open("memory:") as engine:
            Agents(engine)
            flow = blueprint(step(agent, "$.x"), spawner_hints={"layers": list(layers)}, **(fields or {}))
            handle = await engine.start(flow, {"x": given}, trusted=trusted)
            try:
                return (await handle.result())["out"]
            except RunFailed as error:
                return str(error)

    found = run(main())
    assert SHARED.pool is None
    return found


@both
def test_a_gate_and_a_transform_from_a_blueprint(trusted):
    asks = "return function(ctx) if ctx.agent ~= 'echo' then error('not you') end end"
    doubles = "return function(ctx, out) return {value = {out.value * 2, ctx.operator.kind}} end"
    assert ran(gate(asks), transform(doubles), given=21, trusted=trusted) == [42, "Automate"]
    refused = ran(gate(asks), transform(doubles), agent="inc", trusted=trusted)
    assert "spawn rejected by middleware: lua before: hook.lua:1: not you" in refused


BROKEN = "return function()\n  x = = 1\nend"


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"spawner_hints": {"layers": [gate(BROKEN)]}}, "spawner_hints.layers[0].lua.before"),
        ({"spawner_hints": {"layers": ["audit", transform(BROKEN)]}}, "spawner_hints.layers[1].lua.after"),
        ({"agents": [{"name": "echo", "kind": "lua", "spec": source(BROKEN)}]}, "agents[0].spec"),
    ],
)
def test_lua_that_does_not_compile_is_told_before_anything_is_recorded(document, place):
    flow = blueprint(step("echo", "$.x"), **document)

    async def main():
        async with Engine.open("memory:") as engine:
            if "agents" not in document:
                Agents(engine)
            with pytest.raises(BlueprintError) as caught:
                await engine.start(flow, {"x": 1})
            return str(caught.value), await engine.list_runs()

    said, runs = run(main())
    assert f"{place}: E-LUA-SYNTAX hook.lua:2: unexpected symbol near '='" in said
    assert not runs


def test_the_lua_of_strangers_is_compiled_only_in_their_process(monkeypatch):
    def never(_script):
        raise AssertionError

    monkeypatch.setattr("skep.lua.syntax.check_syntax", never)
    assert "lua before: hook.lua:2: unexpected symbol" in ran(gate(BROKEN), trusted=False)


def test_a_host_layer_and_a_registered_script_that_do_not_compile():
    with pytest.raises(ConfigError, match=r"hook\.lua:2: unexpected symbol"):
        standard_layers().with_base(HINT, LuaHooks().factory, {"after": source(BROKEN)})
    with pytest.raises(LuaError, match="work:2: unexpected symbol"):
        LuaScripts().add("work", BROKEN)


@both
def test_several_lua_layers_the_last_is_outermost(trusted):
    layers = [
        transform(f"return function(_, out) return {{value = out.value .. '{n}'}} end") for n in range(10)
    ]
    assert ran(*layers, given="", trusted=trusted) == "0123456789"


@both
def test_a_transform_that_fails_blocks_the_attempt_or_is_kept(trusted):
    bad = "return function() error('bad luck') end"
    assert "lua after: hook.lua:1: bad luck" in ran(transform(bad), trusted=trusted)
    assert ran(transform(bad, on_error="keep"), trusted=trusted) == 1


def test_a_transform_can_block_and_unblock():
    assert "blocked" in ran(transform("return function(_, out) return {value = 'poor', ok = false} end"))
    saved = transform("return function(_, out) return {value = {out.value, out.ok}, ok = true} end")
    assert ran(saved, agent="no") == [{"verdict": "no"}, False]


def test_hooks_of_strangers_have_neither_files_nor_environment():
    nothing = "return function(_, out) return {value = {io == nil, os.getenv == nil, debug == nil}} end"
    assert ran(transform(nothing), trusted=False) == [True, True, True]


def test_what_the_host_hooks_override_is_recorded_beside_the_result():
    layers = standard_layers().with_base(
        "stamp", always(lambda: LuaLayer(after="return function(_, out) return {value = -out.value} end"))
    )

    async def main():
        async with Engine.open("memory:", layers=layers) as engine:
            Agents(engine)
            handle = await engine.start(blueprint(step("echo", "$.x")), {"x": 5})
            value = (await handle.result())["out"]
            events = [event async for event in handle.events()]
            return value, [event.get("by") for event in events if event["kind"] == "worker_output"]

    value, by = run(main())
    assert value == -5
    assert by == [None, "layer:lua"]


@pytest.mark.parametrize("hook", ["before", "after"])
def test_cancelling_the_run_ends_a_hook_that_runs_in_a_thread(hook):
    pool = LuaPool(1, limits=Limits(wall=60))
    layer = LuaLayer(**{hook: "return function() while true do end end"}, pool=pool, where="thread")
    layers = standard_layers().with_base("slow", always(lambda: layer))

    async def main():
        async with Engine.open("memory:", layers=layers) as engine:
            Agents(engine)
            handle = await engine.start(blueprint(step("echo", "$.x")), {"x": 5})
            while pool.in_use == 0:
                await asyncio.sleep(0.001)
            async with asyncio.timeout(5):
                await handle.cancel()
                with pytest.raises(RunFailed, match="cancelled"):
                    await handle.result()

    run(main())
    pool.shutdown()


def test_after_a_crash_behind_a_durable_final_the_hooks_run_again_and_the_worker_does_not(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    calls = []
    stamp = transform("return function(ctx, out) return {value = {out.value, ctx.attempt}} end")
    flow = blueprint(step("once", "$.x"), spawner_hints={"layers": [gate("return function() end"), stamp]})

    def host(engine):
        said = asyncio.Event()

        @engine.agent("once")
        async def once(inv):
            calls.append(inv.input)
            inv.emit(final("result"))
            await engine.ledger.flushed()
            said.set()
            await asyncio.Event().wait()

        return said

    async def main():
        async with Engine.open(url) as engine:
            said = host(engine)
            handle = await engine.start(flow, {"x": 1})
            await said.wait()
        async with Engine.open(url, recover="none") as engine:
            host(engine)
            handle = await engine.resume_run(handle.id)
            return (await handle.result())["out"]

    assert run(main()) == ["result", 1]
    assert calls == [1]


# -- workers -------------------------------------------------------------------------------------


def test_a_registered_script_is_an_agent_and_a_fn_id():
    async def main():
        async with Engine.open("memory:") as engine:

            async def later(value):
                return value + 1

            engine.lua_script("add", "return host.later(_CTX)", host={"later": later})
            flow = blueprint(
                [step("add", "$.x", "$.a"), step("mine", "$.a", "$.b")],
                agents=[{"name": "mine", "kind": "lua", "spec": {"fn_id": "add"}}],
            )
            with pytest.raises(ConfigError, match="registered twice"):
                engine.lua_script("add", "return 1")
            with pytest.raises(ConfigError, match="registered twice"):
                engine.agent("add")(later)
            handle = await engine.start(flow, {"x": 1}, trusted=False)
            return await handle.result()

    assert run(main()) == {"x": 1, "a": 2, "b": 3}


@both
def test_a_script_in_a_blueprint_retries_and_blocks(trusted):
    text = "if _ATTEMPT == 1 then error('once') end return {ok = _CTX > 1, value = _ATTEMPT}"
    agent = {
        "name": "a",
        "kind": "lua",
        "spec": {"source": text},
        "retry": {"max_attempts": 2, "backoff": {"initial": 0.01}},
    }
    assert ran(agent="a", given=2, trusted=trusted, fields={"agents": [agent]}) == 2
    assert "blocked" in ran(agent="a", given=1, trusted=trusted, fields={"agents": [agent]})


@both
def test_a_busy_script_ends_with_its_timeout(trusted):
    text = "while true do pcall(function() while true do end end) end"
    agent = {"name": "a", "kind": "lua", "spec": {"source": text}, "timeout": 0.2}
    assert "timeout" in ran(agent="a", trusted=trusted, fields={"agents": [agent]})


def test_a_stranger_sets_no_limits_and_names_no_file():
    for spec in ({"source": "", "limits": {"wall": 1}}, {"file": "x.lua"}):
        agent = {"name": "a", "kind": "lua", "spec": spec}
        with pytest.raises(BlueprintError, match=r"E-TRUST|E-FILE"):
            ran(agent="a", trusted=False, fields={"agents": [agent]})


def test_runs_of_strangers_do_not_meet_in_a_process(monkeypatch):
    """The same Blueprint in several runs: each process is asked for in the name of one run, its hook's too."""
    principals = []
    process = ChildPool.process

    def noted(pool, principal, cancel):
        principals.append(principal)
        return process(pool, principal, cancel)

    monkeypatch.setattr(ChildPool, "process", noted)
    agent = {"name": "a", "kind": "lua", "spec": {"source": "seen = (seen or 0) + 1 return seen"}}

    async def main():
        async with Engine.open("memory:") as engine:
            hints = {"layers": [gate("return function() end")]}
            flow = blueprint(step("a", "$.x"), agents=[agent], spawner_hints=hints)
            handles = [await engine.start(flow, {"x": 1}, trusted=False) for _ in range(4)]
            return [handle.id for handle in handles], [(await handle.result())["out"] for handle in handles]

    ids, seen = run(main())
    assert seen == [1] * 4
    assert sorted(principals) == sorted([*ids, *ids])


def test_a_registered_script_works_for_a_task_outside_a_run():
    async def main():
        async with Engine.open("memory:") as engine:
            engine.lua_script("add", "return _CTX + 1")
            token = await engine.attach("me", "operator")
            task = await engine.start_task(token, "add", 1)
            return await engine.dispatch_attempt(token, task)

    assert run(main()).value == 2


# -- the example ---------------------------------------------------------------------------------


def test_the_example_masks_and_refuses_as_its_readme_says(skep):
    text = "Ask ada@example.org about bees. They dance."
    found = skep.json("run", BLUEPRINT, "--input", f"text={text}")
    assert found["result"]["summary"] == "Ask <address> about bees."
    assert "lua before: publish is not on the list" in found["result"]["refused"]
    assert "published" not in found["result"]
    assert "Ask <address> about bees." in Path(BLUEPRINT).with_name("README.md").read_text()


def test_the_example_blocks_a_text_without_words(skep):
    found = skep.json("run", BLUEPRINT, "--input", "text=...")
    assert found["status"] == "failed"
    assert "blocked" in str(found["error"])
