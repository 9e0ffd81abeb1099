"""One VM: what it runs, keeps, reports and refuses."""

from __future__ import annotations

import gc
import logging
import sys
import weakref

import pytest

from skep.errors import ConversionError, LimitExceeded, LuaError
from skep.lua.coroutine import Returned, Yielded
from skep.lua.limits import Limits
from skep.lua.runner import Script
from skep.lua.vm import LuaVM


def fails(source, vm=None, name="script", **kwargs):
    with pytest.raises(LuaError) as caught:
        (vm or LuaVM()).run(Script(source, name), **kwargs)
    return caught.value


# -- scripts -----------------------------------------------------------------------------------


def test_a_hook_is_evaluated_on_every_call_with_fresh_locals():
    vm, script = LuaVM(), Script("local n = 0 return function(by) n = n + by return n end")
    assert [vm.hook(script, 2), vm.hook(script, 3)] == [2, 3]


def test_globals_of_a_warm_vm_stay_and_variables_do_not():
    vm = LuaVM()
    vm.run(Script("kept = v"), {"v": 1})
    assert vm.run(Script("return {kept=kept, v=v == nil, host=host == nil}")) == {
        "host": True,
        "kept": 1,
        "v": True,
    }


def test_variables_are_put_back_over_what_was_there():
    vm = LuaVM()
    vm.run(Script("v = 'own' host = 'mine'"))
    assert vm.run(Script("return v .. type(host)"), {"v": "given"}, host={"f": str}) == "giventable"
    assert vm.run(Script("return v .. host")) == "ownmine"
    fails("error('boo')", vm, variables={"v": "given"})
    assert vm.run(Script("return v")) == "own"


def test_a_hook_that_is_no_function_says_what_it_is():
    with pytest.raises(LuaError, match="must return a function, it returned nothing"):
        LuaVM().hook(Script("local x = 1"))
    with pytest.raises(LuaError, match="it returned a table"):
        LuaVM().hook(Script("return {}"))


def test_compiled_scripts_are_kept_up_to_a_bound():
    vm = LuaVM(Limits(chunks=3))
    before = [vm.run(Script(f"return {n}")) for n in range(50)]
    assert before == list(range(50))
    assert vm.run(Script("return 0")) == 0


def test_a_script_that_is_too_long_or_no_text_is_refused():
    with pytest.raises(LimitExceeded, match="source of 10"):
        LuaVM(Limits(source=10)).run(Script("return 'long enough'"))
    with pytest.raises(ConversionError, match="surrogate"):
        LuaVM().run(Script("return '\ud800'"))
    assert "binary chunk" in str(fails("\x1bLua"))


def test_a_yield_that_nobody_awaits_is_an_error_and_the_vm_goes_on():
    vm = LuaVM()
    assert "yields" in str(fails("coroutine.yield(1)", vm))
    assert vm.run(Script("return 1")) == 1


# -- seeds -------------------------------------------------------------------------------------

ORDER = Script(
    "local t, o = {}, {} for i = 1, 40 do t['k' .. i] = i end for k in pairs(t) do o[#o + 1] = k end return o"
)


def test_the_hash_seed_decides_the_order_of_pairs():
    orders = [LuaVM(hash_seed=seed).run(ORDER) for seed in (7, 7, 8)]
    assert orders[0] == orders[1] != orders[2]
    assert LuaVM().hash_seed != LuaVM().hash_seed


def test_the_random_seed_decides_math_random():
    draw = Script("return math.random(1 << 40)")
    first, second, third = (LuaVM(random_seed=seed).run(draw) for seed in (1, 1, 2))
    assert first == second != third


# -- errors ------------------------------------------------------------------------------------


def test_an_error_has_name_line_and_a_plain_traceback():
    error = fails("local function inner()\n  error('boo')\nend\ninner()\n", name="gate.lua")
    assert (str(error), error.script, error.line) == ("gate.lua:2: boo", "gate.lua", 2)
    assert error.traceback.split("\n") == [
        "stack traceback:",
        "\t[C]: in global 'error'",
        "\tgate.lua:2: in upvalue 'inner'"
        if "upvalue" in error.traceback
        else "\tgate.lua:2: in local 'inner'",
        "\tgate.lua:4: in main chunk",
    ]


@pytest.mark.parametrize(
    ("source", "line"),
    [("return (", 1), ("\n\nlocal x = = 2", 3), ("for i = 1, 2 do i = 3 end", 1), ("\ngoto nowhere", 2)],
)
def test_a_syntax_error_names_its_line(source, line):
    error = fails(source)
    assert error.line == line
    assert str(error).startswith(f"script:{line}: ")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("error('plain', 0)", "plain"),
        ("error({code=1})", "(error object is a table value)"),
        ("error(setmetatable({}, {__tostring=function() return 'told' end}))", "told"),
        (
            "error(setmetatable({}, {__tostring=function() error('no') end}))",
            "(error object is a table value)",
        ),
        ("error(setmetatable({}, {__tostring=function() return {} end}))", "(error object is a table value)"),
        ("error(42)", "42"),
        ("error(print)", "(error object is a function value)"),
        ("error('\\xff', 0)", "?"),
        ("error(null)", "(error object is a userdata value)"),
    ],
)
def test_any_error_object_becomes_text(source, text):
    assert str(fails(source)) == text


def test_messages_and_tracebacks_are_bounded():
    error = fails("error(('x'):rep(1000000))")
    assert len(str(error)) < 10_000
    name = "f" * 100_000
    error = fails(
        f"local t = {{}} function t.{name}() error('boo') end local function g() return (t.{name}()) end g()"
    )
    assert len(error.traceback) < 20_000


def test_the_line_of_an_error_without_a_position_is_that_of_the_traceback():
    assert fails("local x = 1\nerror('plain', 0)").line == 2


# -- host functions ----------------------------------------------------------------------------


def test_a_defined_function_may_lie_in_a_table_and_survives():
    vm = LuaVM()
    vm.define("alc.math.twice", lambda n: 2 * n)
    vm.define("alc.hello", lambda _: "hello")
    assert vm.run(Script("return alc.hello() .. alc.math.twice(4)")) == "hello8"
    assert vm.run(Script("return type(alc.hello)")) == "function"


def test_what_a_host_function_raises_is_a_string_that_pcall_matches():
    def refuse(value):
        raise ValueError(f"budget_exceeded: {value}")

    vm = LuaVM()
    vm.define("spend", refuse)
    source = "local ok, e = pcall(spend, 5) return {ok, type(e), e, e:match('budget_exceeded') ~= nil}"
    assert vm.run(Script(source)) == [False, "string", "budget_exceeded: 5", True]
    error = fails("\nspend(6)", vm)
    assert (str(error), error.line) == ("budget_exceeded: 6", 2)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_must_not_be_caught_passes_through_pcall(kind):
    def stop(_):
        raise kind

    vm = LuaVM()
    vm.define("stop", stop)
    with pytest.raises(kind):
        vm.run(Script("while true do pcall(stop) end"))
    assert not vm.usable


def test_a_value_that_cannot_cross_is_an_error_in_the_script():
    vm = LuaVM()
    vm.define("give", lambda _: object())
    vm.define("take", lambda value: value)
    assert vm.run(Script("local ok, e = pcall(give) return e")).endswith(
        "object has no JSON form (pass JSON values)"
    )
    assert "holds a function" in vm.run(Script("local ok, e = pcall(take, print) return e"))
    assert "limit depth" in vm.run(Script("local t = {} t.t = t local ok, e = pcall(take, t) return e"))


def test_a_host_function_of_a_call_that_has_ended_is_gone():
    vm = LuaVM()
    vm.run(Script("kept = host.f"), host={"f": lambda _: 1})
    assert "has ended" in vm.run(Script("local ok, e = pcall(kept) return e"))


def test_a_vm_in_use_is_not_entered_again():
    vm = LuaVM()
    vm.define("again", lambda _: vm.run(Script("return 1")))
    assert "in use" in vm.run(Script("local ok, e = pcall(again) return e"))
    assert vm.run(Script("return 2")) == 2


# -- printing ----------------------------------------------------------------------------------


def test_what_a_script_prints_goes_where_it_was_told():
    printed = []
    LuaVM(write=printed.append).run(
        Script("print(1, 'a', nil, '\\xff') io.write('b', 2) io.stderr:write('c'):write('d')")
    )
    assert printed == ["1\ta\tnil\t?\n", "b2", "c", "d"]


def test_without_a_place_it_goes_to_the_log(caplog):
    with caplog.at_level(logging.INFO, "skep.lua"):
        LuaVM().run(Script("print('hello')"))
    assert caplog.messages == ["hello"]


def test_printing_is_bounded_per_call():
    printed = []
    vm = LuaVM(Limits(output=100), write=printed.append)
    vm.run(Script("print(('x'):rep(60))"))
    vm.run(Script("print(('x'):rep(60))"))
    with pytest.raises(LimitExceeded, match="output of 100"):
        vm.run(Script("while true do pcall(print, 'xxxxxxxxx') end"))
    assert sum(map(len, printed)) <= 2 * 61 + 100


def test_a_printer_that_raises_ends_the_script():
    def closed(_):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        LuaVM(write=closed).run(Script("while true do pcall(print, 'x') end"))


# -- coroutines from Python --------------------------------------------------------------------


def test_a_script_yields_values_and_gets_values():
    script = Script(
        "local a = coroutine.yield({q=1}) local ok, b = pcall(coroutine.yield, 2) return a .. b .. v"
    )
    co = LuaVM().coroutine(script)
    assert co.start({"v": "!"}) == Yielded({"q": 1})
    assert co.resume("A") == Yielded(2)
    assert co.resume("B") == Returned("AB!")
    with pytest.raises(LuaError, match="has ended"):
        co.resume()


def test_several_may_be_open_and_one_may_be_dropped():
    vm, script = LuaVM(), Script("return function(n) return n + coroutine.yield(n) end")
    first, second, third = (vm.coroutine(script) for _ in range(3))
    assert [first.start_hook((1,)), second.start_hook((2,)), third.start_hook((3,))] == [
        Yielded(n) for n in (1, 2, 3)
    ]
    second.drop()
    second.drop()
    assert third.resume(30) == Returned(33)
    assert first.resume(10) == Returned(11)
    with pytest.raises(LuaError, match="has ended"):
        second.resume(20)


def test_host_functions_work_until_the_coroutine_has_ended():
    vm = LuaVM()
    co = vm.coroutine(Script("f = host.f coroutine.yield(f(1)) return f(2)"), host={"f": lambda n: n * 10})
    assert (co.start(), co.resume()) == (Yielded(10), Returned(20))
    assert "has ended" in vm.run(Script("local ok, e = pcall(f) return e"))


def test_instructions_add_up_over_resumes():
    co = LuaVM(Limits(instructions=100_000)).coroutine(
        Script("while true do for i = 1, 10000 do end coroutine.yield() end")
    )
    co.start()
    for _ in range(2):
        co.resume()
    with pytest.raises(LimitExceeded, match="instructions"):
        exhaust(co)
    assert co.ended


def exhaust(co):
    for _ in range(100):
        co.resume()


def test_a_module_may_yield_while_it_loads(tmp_path):
    (tmp_path / "asking.lua").write_text("return {answer = coroutine.yield('question')}")
    co = LuaVM(roots=[tmp_path]).coroutine(Script("return require('asking').answer"))
    assert (co.start(), co.resume("yes")) == (Yielded("question"), Returned("yes"))


# -- memory ------------------------------------------------------------------------------------


def test_a_vm_that_is_dropped_is_freed_even_if_a_host_function_holds_it():
    vm = LuaVM()
    vm.define("me", lambda _, held=vm: held.memory)
    vm.run(Script("t = {} for i = 1, 1000 do t[i] = i end return me()"))
    gone = weakref.ref(vm)
    del vm
    gc.collect()
    assert gone() is None


def test_a_closed_vm_says_so():
    vm = LuaVM()
    vm.close()
    vm.close()
    assert not vm.usable
    with pytest.raises(LuaError, match="ended"):
        vm.run(Script("return 1"))


def test_calls_do_not_grow_a_vm():
    vm, script = LuaVM(), Script("return function(v) return v end")

    def grown():
        for n in range(2_000):
            vm.hook(script, {"n": [n]})
            vm.run(Script("return v"), {"v": n}, host={"f": lambda _: 1})
        vm.run(Script("collectgarbage() collectgarbage()"))
        return vm.memory

    first = grown()
    assert grown() - first < 2_000
    assert sys.getrefcount(vm) < 10
