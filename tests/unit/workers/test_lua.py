from __future__ import annotations

import asyncio
import threading

import pytest

from skep import values
from skep.core.outputs import Partial, Progress
from skep.errors import (
    BadValue,
    ConfigError,
    LimitExceeded,
    LuaError,
    NotRegistered,
    TrustError,
    WorkerCancelled,
    WorkerFailed,
)
from skep.limits import DEFAULT_LIMITS, Limits
from skep.lua.pool import LuaPool
from skep.lua.pooled import PooledRunner
from skep.lua.runner import Script
from skep.testing.aio import run
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.base import BuildEnv
from skep.workers.lua.emit import event_of
from skep.workers.lua.kind import LuaKind
from skep.workers.lua.result import final_of
from skep.workers.lua.scripts import LuaScripts
from skep.workers.lua.spawner import LuaSpawner
from skep.workers.lua.spec import check_lua_code, check_lua_spec


def perform(source, given=None, *, host=None, trusted=True, spec=None, **fields):
    """The attempt that a script has performed."""

    async def main():
        scripts = LuaScripts()
        if host is not None:
            scripts.add("it", source, host)
        kind = LuaKind(scripts)
        named = {"fn_id": "it"} if host is not None else {"source": source}
        spawner = kind.build("tester", {**named, **(spec or {})}, BuildEnv(trusted=trusted))
        channel = FakeAttempt()
        try:
            await spawner.perform(make_ctx(given, channel=channel, **fields))
        finally:
            await kind.close()
        return channel

    return run(main())


both = pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "untrusted"])


@both
def test_the_globals_of_an_attempt(trusted):
    source = "return {_PROMPT, _AGENT, _TASK_ID, _ATTEMPT, _CTX == nil and 'none' or _CTX}"
    fixed = ["tester", "T-0000000000000001", 3]

    def told(given):
        return perform(source, given, attempt=3, trusted=trusted).finals

    assert told({"a": [1, None]}) == [(['{"a":[1,null]}', *fixed, {"a": [1, None]}], True)]
    assert told('{"a": 1}') == [(['{"a": 1}', *fixed, {"a": 1}], True)]
    assert told("plain words") == [(["plain words", *fixed, "none"], True)]
    assert told(None) == [(["null", *fixed, "none"], True)]


@pytest.mark.parametrize(
    ("returned", "final"),
    [
        ({"value": 1, "ok": False}, (1, False)),
        ({"value": 1}, (1, True)),
        ({"ok": False}, (None, False)),
        ({"ok": True, "value": {"ok": False}}, ({"ok": False}, True)),
        ({"value": 1, "ok": False, "more": 2}, ({"value": 1, "ok": False, "more": 2}, True)),
        ({"values": 1}, ({"values": 1}, True)),
        ({}, ({}, True)),
        ([1], ([1], True)),
        (None, (None, True)),
        ("ok", ("ok", True)),
    ],
)
def test_only_exactly_value_and_ok_are_an_envelope(returned, final):
    found = final_of(returned, DEFAULT_LIMITS)
    assert (values.decode(found.content.value), found.ok) == final


@pytest.mark.parametrize("ok", [None, 1, "yes", []])
def test_an_ok_that_is_no_boolean_fails(ok):
    with pytest.raises(BadValue, match="not a boolean"):
        final_of({"ok": ok}, DEFAULT_LIMITS)


@both
def test_an_error_fails_the_worker_with_script_line_and_traceback(trusted):
    source = "local function deep()\n  error('no luck')\nend\ndeep()"
    with pytest.raises(WorkerFailed) as caught:
        perform(source, trusted=trusted, spec={"name": "work.lua"})
    assert "lua: work.lua:2: no luck\nstack traceback:" in str(caught.value)
    assert "work.lua:4: in main chunk" in str(caught.value)
    assert isinstance(caught.value.__cause__, LuaError)
    assert (caught.value.__cause__.script, caught.value.__cause__.line) == ("work.lua", 2)


@both
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("return 1 +", "tester:1: "),
        ("return function() end", "no JSON form"),
        ("return {ok = 1}", "ok is number, not a boolean"),
        ("coroutine.yield(1)", "yield"),
        ("(error or print)('called at once')", "called at once"),
    ],
)
def test_everything_else_that_goes_wrong_fails_it_too(source, says, trusted):
    with pytest.raises(WorkerFailed, match="lua: ") as caught:
        perform(source, trusted=trusted)
    assert says in str(caught.value)


def test_each_attempt_has_a_vm_of_its_own():
    async def main():
        kind = LuaKind(LuaScripts())
        source = "seen = (seen or 0) + 1 string.leak = (string.leak or 0) + 1 return {seen, string.leak}"
        spawner = kind.build("a", {"source": source}, BuildEnv())
        channels = [FakeAttempt() for _ in range(3)]
        for channel in channels:
            await spawner.perform(make_ctx(channel=channel))
        await kind.close()
        return [channel.finals for channel in channels]

    assert run(main()) == [[([1, 1], True)]] * 3


@both
def test_cancel_works_at_once_in_a_busy_loop(trusted):
    async def main():
        kind = LuaKind(LuaScripts())
        source = (
            "emit{type='progress', stage='busy'} while true do pcall(function() while true do end end) end"
        )
        ctx = make_ctx()
        performing = asyncio.ensure_future(
            kind.build("a", {"source": source}, BuildEnv(trusted=trusted)).perform(ctx)
        )
        while not ctx.channel.outputs:
            await asyncio.sleep(0.001)
        ctx.cancel_token.cancel("enough")
        async with asyncio.timeout(2):
            with pytest.raises(WorkerCancelled, match="enough"):
                await performing
        await kind.close()
        return ctx.channel.finals

    assert run(main()) == []


def test_a_result_that_comes_after_the_cancel_is_none():
    class Late:
        async def run(self, script, variables, *, host, cancel):
            cancel.cancel("enough")
            return 1

    async def main():
        ctx = make_ctx()
        with pytest.raises(WorkerCancelled, match="enough"):
            await LuaSpawner(Script("return 1"), lambda _ctx: Late()).perform(ctx)
        return ctx.channel.finals

    assert run(main()) == []


@pytest.mark.parametrize(("trusted", "sees"), [(True, [True, True]), (False, [False, False])])
def test_only_the_owners_scripts_have_files_and_environment(trusted, sees):
    found = perform("return {io ~= nil, os.getenv ~= nil}", trusted=trusted).finals
    assert found == [(sees, True)]


# -- emit ----------------------------------------------------------------------------------------


@both
def test_what_is_emitted_comes_in_order_before_the_result(trusted):
    source = """
    emit{type = 'progress', stage = 'reading', note = 'soon'}
    emit{type = 'partial', chunk = 'half'}
    emit{type = 'artifact', name = 'a', value = {1, 2}}
    emit{type = 'artifact', name = 'b', content = {kind = 'inline', value = {x = 1}}}
    return _PROMPT"""
    outputs = perform(source, "p", trusted=trusted).outputs
    progress, partial, first, second, last = outputs
    assert (progress, partial) == (Progress("reading", "soon"), Partial("half"))
    assert [(event.name, values.decode(event.content.value)) for event in (first, second)] == [
        ("a", [1, 2]),
        ("b", {"x": 1}),
    ]
    assert values.decode(last.content.value) == "p"


@pytest.mark.parametrize(
    "said",
    [
        None,
        "text",
        [],
        {},
        {"type": "final", "content": {"kind": "inline", "value": 1}},
        {"type": "progress"},
        {"type": "progress", "stage": 1},
        {"type": "partial", "chunk": "x", "more": 1},
        {"type": "artifact", "name": "a", "content": {"kind": "file_ref", "path": "/etc/passwd"}},
        {"type": "artifact", "name": "a", "content": {"kind": "blob", "sha256": "0", "size": 1}},
        {"type": ["progress"]},
    ],
)
def test_what_is_no_event_is_an_error_that_the_script_can_catch(said):
    with pytest.raises(BadValue, match="emit: "):
        event_of(said, DEFAULT_LIMITS)


def test_a_script_goes_on_after_an_emit_that_failed():
    found = perform("local ok, why = pcall(emit, {type = 'final'}) return {ok, why}").finals
    [([ok, why], _)] = found
    assert ok is False
    assert "emit" in why


# -- host functions ------------------------------------------------------------------------------


def test_bridges_plain_and_async_json_in_and_out():
    threads = []

    def plain(value):
        threads.append(threading.get_ident())
        return (value["n"] + 1, None)

    async def later(value):
        threads.append(threading.get_ident())
        await asyncio.sleep(0)
        return {"got": value}

    found = perform(
        "return {host.plain({n = 1}), host.later('x')}", host={"plain": plain, "later": later}
    ).finals
    assert found == [([[2, None], {"got": "x"}], True)]
    assert threads[0] != threading.get_ident()
    assert threads[1] == threading.get_ident()


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_bridge_raises_is_a_string_that_pcall_can_match(is_async):
    def bad(_value):
        raise KeyError("no such user")

    async def bad_later(_value):
        raise KeyError("no such user")

    source = "local ok, why = pcall(host.bad, 1) return {ok, type(why), why:find('no such user') ~= nil}"
    host = {"bad": bad_later if is_async else bad}
    assert perform(source, host=host).finals == [([False, "string", True], True)]
    with pytest.raises(WorkerFailed, match="no such user"):
        perform("host.bad()", host=host)


def test_what_has_no_json_form_is_a_string_error_too():
    with pytest.raises(WorkerFailed, match="object has no JSON form"):
        perform("return host.odd()", host={"odd": lambda _: object()})


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_would_end_the_loop_fails_the_worker(error):
    def ends(_value):
        raise error("out")

    with pytest.raises(WorkerFailed, match=error.__name__):
        perform("pcall(host.ends) return 1", host={"ends": ends})


def test_an_async_bridge_of_a_script_on_the_loop_is_refused_and_not_waited_for():
    async def later(_value):
        return 1

    async def main():
        pool = LuaPool(1)
        runner = PooledRunner(pool, "inline")
        spawner = LuaSpawner(Script("return host.later()"), lambda _ctx: runner, {"later": later})
        with pytest.raises(WorkerFailed, match=r"host\.later is async"):
            await spawner.perform(make_ctx())
        pool.shutdown()

    run(main())


def test_cancel_ends_the_wait_for_an_async_bridge():
    waiting, cancelled = [], []

    async def main():
        async def never(_value):
            waiting.append(1)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(1)
                raise

        scripts = LuaScripts()
        scripts.add("it", "pcall(host.never) return 'not reached'", {"never": never})
        kind = LuaKind(scripts)
        ctx = make_ctx()
        performing = asyncio.ensure_future(kind.build("a", {"fn_id": "it"}, BuildEnv()).perform(ctx))
        while not waiting:
            await asyncio.sleep(0.001)
        ctx.cancel_token.cancel("enough")
        async with asyncio.timeout(2):
            with pytest.raises(WorkerCancelled, match="enough"):
                await performing
        await kind.close()
        return ctx.channel.finals

    assert run(main()) == []
    assert cancelled == [1]


# -- registered scripts --------------------------------------------------------------------------


def test_a_script_is_as_it_was_when_it_was_registered(tmp_path):
    scripts, host = LuaScripts(), {"one": lambda _: 1}
    file = tmp_path / "work.lua"
    file.write_text("return host.one()")
    scripts.add("it", file, host)
    file.write_text("return 2")
    host["one"] = lambda _: 3
    found = scripts.get("it")
    assert (found.script.source, found.script.name) == ("return host.one()", "work.lua")
    assert found.host["one"](None) == 1
    assert list(scripts) == ["it"]


def test_what_cannot_be_registered(tmp_path):
    scripts = LuaScripts()
    scripts.add("it", "return 1")
    binary = tmp_path / "binary.lua"
    binary.write_bytes(b"\xff")
    for name, source, host in (
        ("it", "return 2", None),
        ("a", "", {"emit": print}),
        ("a", "", {"x": 1}),
        ("a", tmp_path / "missing.lua", None),
        ("a", binary, None),
        ("a", tmp_path, None),
    ):
        with pytest.raises(ConfigError):
            scripts.add(name, source, host)


def test_a_file_that_is_too_long_is_told_as_that(tmp_path):
    long = tmp_path / "long.lua"
    long.write_text("é" * 2**20)
    with pytest.raises(LimitExceeded, match=r"long\.lua: limit source"):
        LuaScripts().add("it", long)


def test_a_registered_script_is_the_hosts_own_whoever_names_it():
    channel = perform("return host.who() .. os.getenv('HOME')", host={"who": lambda _: "me "}, trusted=False)
    assert channel.finals[0][0].startswith("me /")


# -- kind and spec -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        {"source": ""},
        {"source": "return 1", "name": "x.lua"},
        {"fn_id": "it"},
        {"source": "", "limits": {"memory": 1, "wall": 0.5, "instructions": 10}},
    ],
)
def test_good_specs(spec):
    assert check_lua_spec(spec, "s") == []


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (None, ("s", "E-FIELD-MISSING")),
        ({}, ("s", "E-FIELD-MISSING")),
        ({"file": "a.lua"}, ("s.file", "E-FILE")),
        ({"source": "", "fn_id": "x"}, ("s", "E-FIELD-TWICE")),
        ({"source": 1}, ("s.source", "E-FIELD-TYPE")),
        ({"fn_id": ""}, ("s.fn_id", "E-FIELD-FORM")),
        ({"source": "", "sorce": ""}, ("s.sorce", "E-FIELD-UNKNOWN")),
        ({"source": "", "limits": {"wall": 0}}, ("s.limits.wall", "E-FIELD-RANGE")),
    ],
)
def test_bad_specs(spec, found):
    assert [(problem.place, problem.code) for problem in check_lua_spec(spec, "s")] == [found]


@pytest.mark.parametrize(
    ("spec", "codes"),
    [
        ({"source": "return 1"}, []),
        ({"source": "return ="}, ["E-LUA-SYNTAX"]),
        ({"source": "\ud800"}, ["E-LUA-SYNTAX"]),
        ({"source": " " * (2**20 + 1)}, ["E-LIMIT"]),
        ({"source": "error('it runs')"}, []),
        ({"fn_id": "it"}, []),
        ({"source": 1}, []),
        (None, []),
    ],
)
def test_code_is_compiled_and_does_not_run(spec, codes):
    assert [problem.code for problem in check_lua_code(spec, "s")] == codes


def test_an_unknown_script_is_told_with_what_is_near():
    scripts = LuaScripts()
    scripts.add("review", "")
    with pytest.raises(NotRegistered, match=r"agent a.*'review'"):
        LuaKind(scripts).build("a", {"fn_id": "revew"}, BuildEnv())


def test_limits_hold_and_need_trust():
    with pytest.raises(WorkerFailed, match=r"limit wall of 0\.05"):
        perform("while true do end", spec={"limits": {"wall": 0.05}})
    with pytest.raises(WorkerFailed, match="limit memory"):
        perform("return #string.rep('x', 2^24)", spec={"limits": {"memory": 2**20}})
    with pytest.raises(TrustError):
        LuaKind(LuaScripts()).build("a", {"source": "", "limits": {"wall": 9}}, BuildEnv(trusted=False))


@both
def test_a_result_that_is_too_large_fails_it(trusted):
    async def main():
        kind = LuaKind(LuaScripts())
        env = BuildEnv(trusted=trusted, limits=Limits(max_value_bytes=100))
        with pytest.raises(WorkerFailed, match="limit max_value_bytes"):
            await kind.build("a", {"source": "return string.rep('x', 200)"}, env).perform(make_ctx())
        await kind.close()

    run(main())
