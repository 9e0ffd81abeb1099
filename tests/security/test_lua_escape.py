"""Every known way from Lua to its host, in both profiles: none works, and who comes next is not harmed.

A script has only its globals, its arguments and what they lead to. `reach` walks all of that; the corpus tries the
tricks by name.
"""

from __future__ import annotations

import faulthandler
import sys
from contextlib import suppress

import pytest

from skep.errors import LimitExceeded, LuaError, SkepError
from skep.lua.limits import Limits
from skep.lua.runner import Script
from skep.lua.vm import LuaVM

PROFILES = ["trusted", "untrusted"]
LIMITS = Limits(memory=16 << 20, wall=1.0)


class Canary:
    """An object whose attributes would be the way out."""

    treasure = "canary"

    def __call__(self, value=None):
        return value


def vm(profile):
    made = LuaVM(LIMITS, profile, write=lambda _: None)
    made.define("f", Canary())
    made.define("fail", lambda _: 1 / 0)
    return made


@pytest.fixture(autouse=True)
def hard_limit():
    """A test that hangs in C ends the process: better than a suite that never ends."""
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


GONE = [
    "python",
    "os.exit",
    "os.execute",
    "os.setlocale",
    "os.tmpname",
    "io.popen",
    "io.read",
    "io.input",
    "io.output",
    "io.stdin",
    "package.loadlib",
    "package.searchpath",
    "string.dump",
    "warn",
    "debug.sethook",
    "debug.gethook",
    "debug.getregistry",
    "debug.getupvalue",
    "debug.setupvalue",
    "debug.upvalueid",
    "debug.upvaluejoin",
    "debug.getlocal",
    "debug.setlocal",
    "debug.getmetatable",
    "debug.setmetatable",
    "debug.getuservalue",
    "debug.setuservalue",
    "debug.debug",
    "package.loaded.python",
    "package.loaded._G.python",
    "package.loaded.lupa",
    "_G._G._G.python",
]
GONE_UNTRUSTED = [
    "io",
    "debug",
    "os.getenv",
    "os.remove",
    "os.rename",
    "loadfile",
    "dofile",
    "package.loaded.io",
    "package.loaded.debug",
]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("path", GONE)
def test_it_is_not_there(profile, path):
    names = "".join(f"['{name}']" for name in path.split(".")[1:])
    source = f"local ok, found = pcall(function() return {path.split('.')[0]}{names} end) return ok and found ~= nil"
    assert vm(profile).run(Script(source)) is False


@pytest.mark.parametrize("path", GONE_UNTRUSTED)
def test_nor_is_this_for_the_untrusted(path):
    names = "".join(f"['{name}']" for name in path.split(".")[1:])
    source = f"local ok, found = pcall(function() return {path.split('.')[0]}{names} end) return ok and found ~= nil"
    assert vm("untrusted").run(Script(source)) is False


REACH = """
local seen, found, queue = {}, {}, {{_G, '_G'}}
local function add(value, name)
  if (type(value) == 'table' or type(value) == 'userdata') and not seen[value] then
    seen[value] = true
    queue[#queue + 1] = {value, name}
  end
end
add(getmetatable(''), 'string metatable') add(getmetatable(null), 'null metatable') add(getmetatable(f), 'f metatable')
add(getmetatable(array()), 'array metatable') add(v, 'v')
local ok, e = pcall(f, print) add(e, 'error') ok, e = pcall(fail) add(e, 'error')
ok, e = pcall(error) add(e, 'error')
local i = 1
while queue[i] do
  local value, name = queue[i][1], queue[i][2]
  i = i + 1
  if type(value) == 'userdata' then
    found[#found + 1] = name .. ' ' .. tostring(value)
  else
    for k, x in next, value do add(k, name .. ' key') add(x, name .. '.' .. tostring(k)) end
  end
  add(getmetatable(value), name .. ' metatable')
end
return found
"""


@pytest.mark.parametrize("profile", PROFILES)
def test_the_only_userdata_within_reach_is_null(profile):
    assert vm(profile).run(Script(REACH), {"v": [None, {"a": None}]}) == ["_G.null null"]


CORPUS = {
    "attribute of a function": "return f.__class__",
    "attribute of null": "return null.__class__",
    "index of null": "return null[1]",
    "set on null": "null.x = 1",
    "call null": "return null()",
    "null as iterator": "for x in null do end",
    "length of null": "return #null",
    "concatenation of null": "return null .. ''",
    "metatable of null": "return getmetatable(null).__index",
    "gc of null": "return getmetatable(null).__gc(null)",
    "close null": "local x <close> = null",
    "metatable of strings": "getmetatable('').__index = function() return 1 end",
    "metatable of arrays": "getmetatable(array()).__gc = f",
    "metatable of arrays from the host": "getmetatable(f({1})).__index = f",
    "set the metatable of strings": "setmetatable('', {})",
    "set the metatable of null": "setmetatable(null, {})",
    "function as table": "return f.__globals__",
    "upvalues": "return debug.getupvalue(f, 1)",
    "upvalues of require": "return debug.getupvalue(require, 1)",
    "bytecode": "return load('\\27Lua')()",
    "bytecode by mode": "return load('\\27Lua', 'x', 'b')()",
    "bytecode in pieces": "local n = 0 return load(function() n = n + 1 return ({'\\27', 'Lua'})[n] end)()",
    "dump": "return load(string.dump(function() end))()",
    "exit": "os.exit(true, true)",
    "process": "return os.execute('true')",
    "popen": "return io.popen('true')",
    "native module": "return package.loadlib('libc.so.6', '*')",
    "native searcher": "package.cpath = '/usr/lib/?.so' return require('libc')",
    "path": "package.path = '/etc/?' return require('passwd')",
    "preload": "return package.preload.python()",
    "global by load": "return load('return python')().eval",
    "global by an empty environment": "return load('return python.eval', 'x', 't', nil)()",
    "global by setfenv": "return setfenv(1, {}).python",
    "global through a coroutine": "return coroutine.wrap(function() return python.eval end)()",
    "global by an error handler": "error(select(2, xpcall(error, function() return python.eval end)))",
    "global by _ENV": "local _ENV = {} return python.eval",
    "hook": "debug.sethook()",
    "registry": "return debug.getregistry()",
    "locals of the guard": "return debug.getlocal(2, 1)",
    "functions of the guard": "return debug.getinfo(2, 'f').func()",
    "finaliser": "setmetatable({}, {__gc = f})",
    "finaliser by rawset": "local m = {} rawset(m, '__gc', f) setmetatable({}, m)",
    "tostring that is no string": "return tostring(setmetatable({}, {__tostring = function() return {} end}))",
    "name that is no string": "return error(setmetatable({}, {__name = {}}))",
    "an error object with a metatable": "error(setmetatable({}, {__index = error, __tostring = error}))",
    "yield out of everything": "coroutine.yield(coroutine.running())",
    "close oneself": "coroutine.close(coroutine.running())",
    "resume oneself": "error((select(2, coroutine.resume(coroutine.running()))))",
    "the stop of the collector": "collectgarbage('stop')",
    "the mode of the collector": "collectgarbage('generational')",
    "too many results": "return table.unpack({}, 1, 1e8)",
    "too many arguments": "return select('#', table.unpack({}, 1, 1e7))",
    "format": "return ('%s'):format(setmetatable({}, {__tostring = function() return {} end}))",
    "pack": "return string.pack('i17', 1)",
    "unpack": "return string.unpack('s8', '\\255\\255\\255\\255\\255\\255\\255\\127')",
    "date": "return os.date('%Ez', 1)",
    "huge date": "return os.date('%c', math.maxinteger)",
    "huge index": "return ('x'):sub(math.mininteger, math.maxinteger):byte(1, -1), ('x'):rep(math.maxinteger)",
    "utf8": "return utf8.char(math.maxinteger)",
    "require of a path": "return require('../../etc/passwd')",
    "require of a metatable": "return require(setmetatable({}, {__tostring = function() return 'os' end}))",
    "concat": "return table.concat(setmetatable({}, {__index = function() return f end}), '', 1, 3)",
    "a function out": "return f",
    "a thread out": "return coroutine.running()",
    "the globals out": "return _G",
    "lines of the input": "return io.lines()()",
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("trick", CORPUS)
def test_the_trick_is_an_error_and_nobody_is_harmed(profile, trick):
    host = vm(profile)
    with pytest.raises(SkepError):
        host.run(Script(CORPUS[trick]))
    if not host.usable:
        host = vm(profile)
    assert host.run(Script("return {('x'):rep(2), f(1), #array({1}), type(pcall), tostring(null)}")) == [
        "xx", 1, 1, "function", "null",
    ]  # fmt: skip
    assert vm(profile).run(Script("return 1")) == 1


POISON = """
local next, globals = next, _G
for _, library in next, {string, table, math, utf8, coroutine, package} do
  for name in next, library do library[name] = function() error('poisoned') end end
end
for name in next, globals do
  if name ~= 'f' and name ~= 'null' then globals[name] = nil end
end
"""


@pytest.mark.parametrize("profile", PROFILES)
def test_poisoned_globals_do_not_reach_the_guard(profile):
    host = vm(profile)
    host.run(Script(POISON))
    assert host.run(Script("return {a = {v, null}, b = f({1})}"), {"v": 1}) == {"a": [1, None], "b": [1]}
    with pytest.raises(LuaError, match="script:1"):
        host.run(Script("nothing()"))
    with pytest.raises(LimitExceeded, match=r"instructions|wall"):
        host.run(Script("while true do end"))


def test_parts_that_come_late_are_not_poisoned_either():
    host = vm("trusted")
    keep = "local pcall, require, string, getinfo, lines = pcall, require, string, debug.getinfo, io.lines"
    seen = "return {require('string') == string, getinfo(1, 'S').short_src, pcall(lines)}"
    found, here, ok, refusal = host.run(Script(f"{keep} {POISON} {seen}", "late"))
    assert (found, here, ok, refusal) == (True, "late", False, "io.lines needs the name of a file")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_metatable_on_the_globals_does_not_reach_the_guard(profile):
    host = vm(profile)
    host.run(
        Script(
            "setmetatable(_G, {__index = function(_, k) error('no ' .. k) end, __newindex = error, __metatable = 1})"
        )
    )
    assert host.run(Script("return f(v)"), {"v": [1, {"x": None}]}) == [1, {"x": None}]
    with pytest.raises(LuaError, match="no debugger"):
        host.run(Script("return debugger"))


@pytest.mark.parametrize("profile", PROFILES)
def test_globals_and_libraries_of_one_vm_are_not_those_of_another(profile):
    vm(profile).run(Script("x = 1 string.rep = nil math.pi = 3 package.loaded.y = 1 null = 1"))
    seen = Script("return {x == nil, ('x'):rep(1), math.pi > 3, package.loaded.y == nil, null ~= 1}")
    assert vm(profile).run(seen) == [True, "x", True, True, True]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_metatable_of_an_array_is_that_array_s_alone(profile):
    own = "local t = array(array({1})) setmetatable(t, {__index = {x = 2}}) return {t.x == 2, #t, array().x == nil}"
    assert vm(profile).run(Script(own)) == [True, 1, True]


@pytest.mark.parametrize("profile", PROFILES)
def test_an_exception_of_the_host_is_only_text(profile):
    kinds = "local ok, e = pcall(fail) return {type(e), e, getmetatable(e) == false}"
    assert vm(profile).run(Script(kinds)) == ["string", "division by zero", True]


@pytest.mark.parametrize("profile", PROFILES)
def test_names_in_a_value_are_no_attributes(profile):
    host, value = vm(profile), {"__class__": 1, "__index": {"x": 1}, "__gc": "x", "__metatable": 0}
    assert host.hook(Script("return function(v) return {v, v.x == nil} end"), value) == [value, True]


def test_the_untrusted_see_neither_files_nor_environment(tmp_path, monkeypatch):
    (tmp_path / "canary").write_text("canary")
    monkeypatch.setenv("SKEP_CANARY", "canary")
    tries = f"""
      local got = {{}}
      local function try(f) local ok, v = pcall(f) got[#got + 1] = ok and tostring(v) or 'refused' end
      try(function() return io.open('{tmp_path}/canary'):read('a') end)
      try(function() return os.getenv('SKEP_CANARY') end)
      try(function() return dofile('{tmp_path}/canary') end)
      try(function() return loadfile('{tmp_path}/canary') end)
      try(function() return require('canary') end)
      try(function() return os.remove('{tmp_path}/canary') end)
      return got"""
    assert vm("untrusted").run(Script(tries)) == ["refused"] * 6
    assert (tmp_path / "canary").read_text() == "canary"


def test_the_trusted_may_read_files_and_environment_and_still_no_bytecode(tmp_path, monkeypatch):
    (tmp_path / "x.lua").write_text("return {...}, 5")
    (tmp_path / "bytes.lua").write_bytes(b"\x1bLua")
    monkeypatch.setenv("SKEP_CANARY", "canary")
    host = vm("trusted")
    assert host.run(Script(f"return dofile('{tmp_path}/x.lua')")) == {}
    assert host.run(Script("return os.getenv('SKEP_CANARY')")) == "canary"
    assert (
        host.run(Script(f"for line in io.lines('{tmp_path}/x.lua') do return line end")) == "return {...}, 5"
    )
    assert "binary" in host.run(Script(f"return select(2, loadfile('{tmp_path}/bytes.lua'))"))
    assert host.run(Script("return getmetatable(io.tmpfile())")) is False
    assert (
        host.run(Script("return debug.getinfo(1, 'SfL').func == nil and debug.getinfo(1, 'S').short_src"))
        == "script"
    )
    assert "script:1" in host.run(Script("return debug.traceback()"))


def test_references_to_python_objects_do_not_pile_up():
    host = vm("trusted")
    function = host.hook
    before = sys.getrefcount(None), sys.getrefcount(function)
    for _ in range(200):
        host.run(Script("return {null, f({1, null})}"), {"v": [None] * 10})
    assert sys.getrefcount(function) == before[1]
    assert sys.getrefcount(None) - before[0] < 1_000


# Near 200 nested C calls the guard's hook fails for want of stack, and no hook is called while its error is on its
# way: what runs then, or in what died of it, would run for ever.
DEEP = """
local function deep(n, f)
  if n == 0 then return f() end
  return (string.gsub('x', 'x', function() deep(n - 1, f) end))
end
local function busy() for i = 1, 3000 do end end
local function forever() while true do end end
local bomb = setmetatable({}, {__close = forever})
local function dying() local x <close> = bomb busy() coroutine.yield() end
"""
DEEP_TRICKS = {
    "close what died of a failed hook": """
        local co = coroutine.create(dying)
        pcall(deep, n, function() coroutine.resume(co) end)
        coroutine.close(co)""",
    "a wrapped one": "pcall(deep, n, coroutine.wrap(dying))",
    "the handler of a failed hook": "pcall(deep, n, function() xpcall(busy, forever) end)",
    "the same from above": "xpcall(deep, forever, n, busy)",
    "the same in a coroutine": "coroutine.wrap(function() xpcall(deep, forever, n, busy) end)()",
    "close where the hook fails": """
        local co = coroutine.create(dying)
        coroutine.resume(co)
        pcall(deep, n, function() coroutine.close(co) end)""",
    "the handler of a full stack": """
        local function fill(a, b, c, d, e, g) for i = 1, n * 3 do end return fill(a, b, c, d, e, g) + 1 end
        xpcall(fill, forever)""",
}


@pytest.mark.parametrize("trick", DEEP_TRICKS)
def test_no_script_outlives_its_limits_where_the_hook_fails(trick):
    for nesting in range(180, 200):
        host = LuaVM(Limits(instructions=1_000_000, wall=5.0), "untrusted")
        with suppress(LimitExceeded, LuaError):
            host.run(Script(f"{DEEP} local n = {nesting} {DEEP_TRICKS[trick]}"))


MANY_CLOSES = """
local closing = setmetatable({}, {__close = busy})
local function stack(n) local x <close> = closing if n == 0 then coroutine.yield() else stack(n - 1) end return 1 end
local co = coroutine.create(stack)
coroutine.resume(co, 20000)
local closed = 'refused'
pcall(deep, n, function() closed = coroutine.close(co) end)
return closed
"""


def test_closing_is_refused_where_no_hook_could_count_it():
    for nesting in range(180, 200):
        host = LuaVM(Limits(instructions=1_000_000, wall=5.0), "untrusted")
        with suppress(LimitExceeded, LuaError):
            assert host.run(Script(f"{DEEP} local n = {nesting} {MANY_CLOSES}")) == "refused"
