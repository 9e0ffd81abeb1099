"""Limits hold whatever a script does: nothing catches them, and who was before or comes after is not harmed."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from skep.errors import LimitExceeded, LuaError, WorkerCancelled
from skep.lua.limits import GRAIN, Limits
from skep.lua.runner import Script
from skep.lua.vm import LuaVM
from skep.workers.cancel import CancelToken

FOREVER = "while true do end"
LOOPS = {
    "plain": FOREVER,
    "tail calls": "local function f() return f() end f()",
    "goto": "::again:: goto again",
    "pcall": f"while true do pcall(function() {FOREVER} end) end",
    "xpcall": f"while true do xpcall(function() {FOREVER} end, function() {FOREVER} end) end",
    "error handler": f"xpcall(error, function() {FOREVER} end)",
    "handler after the limit": f"xpcall(function() {FOREVER} end, function() {FOREVER} end) {FOREVER}",
    "coroutine": f"coroutine.resume(coroutine.create(function() {FOREVER} end)) {FOREVER}",
    "wrap": f"coroutine.wrap(function() {FOREVER} end)()",
    "pcall around coroutines": f"while true do pcall(coroutine.wrap(function() {FOREVER} end)) end",
    "pcall inside a coroutine": f"coroutine.wrap(function() while true do pcall(function() {FOREVER} end) end end)()",
    "nested coroutines": f"coroutine.wrap(function() coroutine.wrap(function() {FOREVER} end)() end)()",
    "many coroutines": "while true do coroutine.wrap(function() for i = 1, 900 do end end)() end",
    "a tree of coroutines": """
        local function f(n) coroutine.wrap(function() for i = 1, 50 do if n > 0 then f(n - 1) end end end)() end
        while true do f(8) end""",
    "coroutines that yield": """
        local f = coroutine.wrap(function() while true do coroutine.yield() end end)
        while true do f() end""",
    "close": f"local x <close> = setmetatable({{}}, {{__close = function() {FOREVER} end}}) {FOREVER}",
    "close in a coroutine": f"""
        coroutine.wrap(function()
          local x <close> = setmetatable({{}}, {{__close = function() {FOREVER} end}})
          {FOREVER}
        end)()""",
    "close of a coroutine": f"""
        local co = coroutine.create(function()
          local x <close> = setmetatable({{}}, {{__close = function() {FOREVER} end}})
          coroutine.yield()
        end)
        coroutine.resume(co)
        while true do pcall(coroutine.close, co) end""",
    "close after the limit": f"""
        local co = coroutine.create(function()
          local x <close> = setmetatable({{}}, {{__close = function() {FOREVER} end}})
          {FOREVER}
        end)
        while true do pcall(coroutine.resume, co) pcall(coroutine.close, co) end""",
    "metamethods": f"""
        local t = setmetatable({{}}, {{__index = function() {FOREVER} end}})
        while true do pcall(function() return t.x end) end""",
    "tostring of an error": f"error(setmetatable({{}}, {{__tostring = function() {FOREVER} end}}))",
    "comparator": f"table.sort({{1, 2, 3}}, function() {FOREVER} end)",
    "gsub": f"string.gsub('x', 'x', function() {FOREVER} end)",
    "load": f"while true do load('{FOREVER}')() end",
    "reader of load": f"load(function() {FOREVER} end)",
    "reader that fails": "while true do pcall(load, function() error('x') end) end",
    "require": "while true do pcall(require, 'nowhere') end",
    "searcher": f"package.searchers[1] = function() {FOREVER} end require('x')",
    "host function": "while true do pcall(host.fail, 1) end",
    "print": "while true do pcall(print) end",
    "deep pcall": "local function f() pcall(f) while true do end end f()",
    "pairs": f"for _ in setmetatable({{}}, {{__call = function() {FOREVER} end}}) do end",
    "iterator": "for _ in function() return 1 end do end",
}


def fail(_):
    raise ValueError("no")


@pytest.mark.parametrize(
    "limits", [Limits(wall=0.05), Limits(instructions=200_000)], ids=["wall", "instructions"]
)
@pytest.mark.parametrize("loop", LOOPS)
def test_an_endless_loop_ends(loop, limits):
    vm, began = LuaVM(limits, write=lambda _: None), time.monotonic()
    with pytest.raises(LimitExceeded) as caught:
        vm.run(Script(LOOPS[loop], loop), host={"fail": fail})
    assert caught.value.name in {"wall", "instructions"}
    assert time.monotonic() - began < 5
    assert not vm.usable
    with pytest.raises(LuaError, match="ended"):
        vm.run(Script("return 1"))
    assert LuaVM().run(Script("return 1")) == 1


@pytest.mark.parametrize(
    "loop", ["plain", "pcall", "pcall around coroutines", "a tree of coroutines", "host function"]
)
def test_a_cancel_from_another_thread_ends_it(loop):
    token = CancelToken()
    timer = threading.Timer(0.05, token.cancel, ["enough"])
    timer.start()
    with pytest.raises(WorkerCancelled, match="enough"):
        LuaVM().run(Script(LOOPS[loop]), host={"fail": fail}, cancel=token)
    timer.join()


def test_a_finaliser_is_refused_because_no_limit_reaches_it():
    vm = LuaVM()
    with pytest.raises(LuaError, match="script:1: __gc is not available"):
        vm.run(Script(f"setmetatable({{}}, {{__gc = function() {FOREVER} end}})"))
    late = f"""
        local m = {{}}
        for i = 1, 100 do setmetatable({{}}, m) end
        m.__gc = function() {FOREVER} end
        collectgarbage()
        return 1"""
    assert vm.run(Script(late)) == 1


def test_instructions_of_one_call_do_not_count_for_the_next():
    vm = LuaVM(Limits(instructions=100_000))
    for _ in range(20):
        vm.run(Script("for i = 1, 10000 do end"))


BOMBS = {
    "rep": "string.rep('x', 1 << 30)",
    "rep under pcall, kept on": "while true do pcall(string.rep, 'x', 1 << 30) end",
    "doubling": "local s = 'x' while true do s = s .. s end",
    "table": "local t = {} while true do t[#t + 1] = #t end",
    "strings": "local t = {} while true do t[#t + 1] = ('x'):rep(100) .. #t end",
    "table.create": "table.create(1 << 28)",
    "concat": "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(10000) end table.concat(t, ('y'):rep(1000000))",
    "format": "('%99d'):rep(1000000):format()",
    "gsub": "('x'):rep(1000000):gsub('x', ('y'):rep(1000))",
    "recursion": "local function f(x) return f(x) + 1 end f(1)",
    "coroutines": "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
    "closures": "local t = {} while true do t[#t + 1] = function() return t end end",
    "source": "load('return \"' .. ('x'):rep(1 << 24) .. '\"')()",
    "upvalues in error": "while true do local s = ('x'):rep(1 << 23) pcall(error, s .. s) end",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_memory_is_bounded(bomb):
    vm = LuaVM(Limits(memory=8 << 20, wall=0.3))
    with pytest.raises((LimitExceeded, LuaError)) as caught:
        vm.run(Script(BOMBS[bomb]))
    if isinstance(caught.value, LimitExceeded):
        assert caught.value.name in {"memory", "wall"}
    assert vm.memory < 16 << 20
    assert LuaVM().run(Script("return 1")) == 1


FULL = "local t, n = {}, 0 pcall(function() while true do n = n + 1 t[n] = ('x'):rep(50) .. n end end) "


@pytest.mark.parametrize(
    "then",
    [
        "return n > 0",
        "return host.give(1) ~= nil",
        "while true do pcall(host.give, 1) end",
        "print('full') return true",
        "pcall(require, 'nowhere') return true",
        "kept = t return t[1] ~= nil",
        "kept = t error('boo')",
        "kept = t error({})",
        "kept = t error(setmetatable({}, {__tostring = function() return ('y'):rep(1000) end}))",
        "kept = t coroutine.wrap(function() error('deep') end)()",
        "kept = t return host.take(t[1])",
    ],
)
def test_a_vm_that_is_full_harms_nobody(then):
    """An allocation that fails outside of a script would end the process: see `calls`."""
    vm = LuaVM(Limits(memory=2 << 20, wall=0.3), write=lambda _: None)
    with suppress(LimitExceeded, LuaError):
        vm.run(Script(FULL + then), host={"give": lambda _: "z" * 100_000, "take": lambda value: value})
    for _ in range(3):
        with suppress(LimitExceeded, LuaError):
            assert vm.hook(Script("return function(v) return #v end"), "x" * 1_000) == 1_000
    assert LuaVM().run(Script("return 1")) == 1


def test_an_argument_larger_than_the_memory_is_a_limit_and_not_the_end_of_the_process():
    vm = LuaVM(Limits(memory=1 << 20))
    with pytest.raises(LimitExceeded, match="memory"):
        vm.hook(Script("return function(v) return v .. 'x' end"), "x" * (4 << 20))


def test_deep_recursion_is_an_error_of_the_script():
    with pytest.raises(LuaError, match="stack overflow"):
        LuaVM(Limits(memory=1 << 30)).run(Script("local function f() return f() + 1 end return f()"))
    assert LuaVM().run(Script("local function f() return pcall(f) end return f() ~= nil")) is True


def test_nested_brackets_do_not_upset_the_parser():
    with pytest.raises(LuaError):
        LuaVM().run(Script("return " + "(" * 100_000 + "1" + ")" * 100_000))
    with pytest.raises(LuaError):
        LuaVM().run(Script("return " + "{" * 100_000))


@pytest.mark.parametrize(
    "catching",
    [
        "pcall(error)",
        "xpcall(error, print)",
        "coroutine.close(coroutine.create(print))",
        "coroutine.resume(dead)",
        "coroutine.create(print)",
        "pcall(wrapped)",
    ],
)
def test_whatever_catches_costs_a_grain_although_it_runs_few_instructions(catching):
    vm = LuaVM(Limits(instructions=100 * GRAIN))
    setup = "local dead = coroutine.create(error) local wrapped = coroutine.wrap(error) "
    with pytest.raises(LimitExceeded, match="instructions"):
        vm.run(Script(f"{setup} for i = 1, 110 do {catching} end", "loop"))


def test_nobody_catches_the_want_of_memory():
    vm = LuaVM(Limits(memory=1 << 20))
    with pytest.raises(LimitExceeded, match="memory"):
        vm.run(Script("pcall(string.rep, 'x', 1 << 24) return 1"))
    assert not vm.usable


def test_a_coroutine_that_fails_is_dead_and_has_closed_what_it_had():
    script = """
        local closed = 0
        local closing = setmetatable({}, {__close = function() closed = closed + 1 end})
        local co = coroutine.create(function(a) local x <close> = closing coroutine.yield(a) error({code = 7}) end)
        local _, first = coroutine.resume(co, 1)
        local ok, e = coroutine.resume(co)
        local again, why = coroutine.resume(co)
        return {first, ok, e.code, closed, coroutine.status(co), again, why}"""
    assert LuaVM().run(Script(script)) == [1, False, 7, 1, "dead", False, "cannot resume dead coroutine"]
