"""Values in and out of Lua: each case of the table in `skep.lua.convert`."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skep.errors import ConversionError, LimitExceeded
from skep.lua.limits import Limits
from skep.lua.runner import Script
from skep.lua.vm import LuaVM

SAME = Script("return function(v) return v end", "same")
VM = LuaVM()

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=30,
)


def run(source, **variables):
    return LuaVM().run(Script(source), variables)


def typed(value):
    """With its types, so that 1, 1.0 and True differ."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    return type(value), repr(value)


@given(values)
@settings(deadline=None)
def test_a_json_value_comes_back_as_it_went(value):
    assert typed(VM.hook(SAME, value)) == typed(value)


@given(values)
@settings(deadline=None, max_examples=30)
def test_so_does_one_that_goes_through_a_host_function(value):
    seen = []
    host = {"f": lambda given: seen.append(given) or given}
    assert typed(VM.run(Script("return host.f(v)"), {"v": value}, host=host)) == typed(value)
    assert typed(seen) == typed([value])


def test_a_value_of_several_batches_comes_back():
    value = {f"k{n}": [n, str(n), None] for n in range(5_000)}
    assert VM.hook(SAME, value) == value
    assert VM.run(Script("return host.f(v)"), {"v": value}, host={"f": lambda given: given}) == value


@pytest.mark.parametrize("size", [1_996, 1_997, 1_998, 1_999, 2_000, 2_001, 3_998, 4_000])
def test_a_value_that_just_fills_a_batch_comes_back(size):
    value = list(range(size))
    assert VM.hook(SAME, value) == value
    assert VM.run(Script("return host.f(v)"), {"v": value}, host={"f": lambda given: given}) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("return {}", {}),
        ("return array()", []),
        ("return array({})", []),
        ("return array({1, 2})", [1, 2]),
        ("return {1, 2, 3}", [1, 2, 3]),
        ("return {[2]='b', [1]='a'}", ["a", "b"]),
        ("return {1, null, 3}", [1, None, 3]),
        ("return {a=null}", {"a": None}),
        ("return {a=nil}", {}),
        ("return null", None),
        ("return nil", None),
        ("return", None),
        ("return 1, 2", 1),
        ("return {[1.0]='a'}", ["a"]),
        ("return {['1']='a'}", {"1": "a"}),
        ("return 3.0", 3.0),
        ("return 7 // 2", 3),
        ("return 2^53", 2.0**53),
        ("return math.mininteger", -(2**63)),
        ("return setmetatable({1}, {__index=error, __len=error, __pairs=error, __eq=error})", [1]),
        ("local t = {1} return {t, t}", [[1], [1]]),
        ("local a = v table.remove(a) return a", []),
    ],
)
def test_what_a_lua_value_is_in_json(source, value):
    assert typed(run(source, v=["one"])) == typed(value)


def test_null_is_one_userdata_and_absent_as_a_variable():
    assert run("return type(v[1])", v=[None]) == "userdata"
    assert (
        run("return v[1] == null and v.x == nil and n == nil and tostring(v[1])", v=[None], n=None) == "null"
    )


def test_names_come_out_in_order():
    assert list(run("return {b=1, a=2, ['z']=3, c=4}")) == ["a", "b", "c", "z"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("return print", "a function"),
        ("return coroutine.create(print)", "a thread"),
        ("return io.tmpfile()", "a userdata"),
        ("return {a={b={1, print}}}", r"result\.a\.b\[2\]: a function"),
        ("return 0/0", "not finite"),
        ("return {1/0}", "not finite"),
        ("return -math.huge", "not finite"),
        ("return '\\xff'", "not UTF-8"),
        ("return '\\xed\\xa0\\x80'", "not UTF-8"),
        ("return {['\\xff']=1}", "a name that is not UTF-8"),
        ("return {1, nil, 3}", "holes"),
        ("return {[2]=1}", "holes"),
        ("return {[0]=1}", "the key 0"),
        ("return {[-1]=1}", "the key -1"),
        ("return {[1.5]=1}", r"the key 1\.5"),
        ("return {[1]=1, a=2}", "both names and numbers"),
        ("return {[true]=1}", "of type boolean"),
        ("return {[{}]=1}", "of type table"),
        ("return {[math.maxinteger]=1}", "holes"),
    ],
)
def test_what_has_no_json_form_is_refused(source, message):
    with pytest.raises(ConversionError, match=message):
        run(source)


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, math.nan, math.inf, "\ud800", {1: 2}, {"\ud800": 1}, b"", object()]
)
def test_what_lua_cannot_carry_is_refused(value):
    with pytest.raises(ConversionError, match="argument"):
        VM.hook(SAME, [value])
    assert VM.hook(SAME, 1) == 1


def test_two_arguments_are_told_apart_in_the_message():
    with pytest.raises(ConversionError, match="argument 2"):
        VM.hook(SAME, 1, b"")


@pytest.mark.parametrize(
    "source", ["local t = {} t.t = t return t", "local t = {} for _ = 1, 200 do t = {t} end return t"]
)
def test_a_cycle_is_too_deep(source):
    with pytest.raises(LimitExceeded, match="depth of 100"):
        run(source)


def test_depth_is_counted_alike_in_both_directions():
    def nested(levels):
        value = []
        for _ in range(levels - 1):
            value = [value]
        return value

    vm = LuaVM(Limits(depth=3))
    assert vm.hook(SAME, nested(3)) == nested(3)
    with pytest.raises(LimitExceeded, match="depth of 3"):
        vm.hook(SAME, nested(4))
    with pytest.raises(LimitExceeded, match="depth of 3"):
        vm.run(Script("return {{{{}}}}"))


def test_a_million_keys_pass_or_are_refused_by_size():
    source = Script("local t = {} for i = 1, 100000 do t['k' .. i] = i end return t")
    assert len(LuaVM().run(source)) == 100_000
    with pytest.raises(LimitExceeded, match="output"):
        LuaVM(Limits(output=10_000)).run(source)


def test_a_value_that_grows_by_sharing_is_refused_by_size():
    source = "local t = {'x'} for _ = 1, 60 do t = {t, t} end return t"
    with pytest.raises(LimitExceeded, match="output"):
        LuaVM(Limits(output=100_000)).run(Script(source))
