"""Untrusted scripts: nothing in Lua leads out of the process, and nothing in the process leads out of it either."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import lua_children
from skep.errors import LimitExceeded, LuaError, SkepError
from skep.lua.isolation.hardening import hardening
from skep.lua.isolation.pool import ChildPool
from skep.lua.isolation.runner import ChildRunner
from skep.lua.limits import Limits
from skep.lua.runner import Script
from skep.testing.aio import run

LIMITS = Limits(memory=8 * 2**20, wall=0.3, output=64 * 1024)
CANARY = "canary-7f3a91"

Use = Callable[[ChildRunner], Awaitable[object]]


def using(use: Use, limits: Limits = LIMITS, **more) -> object:
    """What `use` gives with a runner of a pool of one process."""

    async def inside():
        pool = ChildPool(limits, max_size=1, **more)
        try:
            return await use(ChildRunner(pool, "somebody"))
        finally:
            await pool.shutdown()

    return run(inside())


# -- limits: the host and the next call go on ----------------------------------------------------

ENDLESS = {
    "loop": "while true do end",
    "under pcall": "while true do pcall(function() while true do end end) end",
    "in a coroutine": "coroutine.wrap(function() while true do end end)()",
    "in a coroutine under pcall": "while true do pcall(coroutine.wrap(function() while true do end end)) end",
    "in an error handler": "xpcall(error, function() while true do end end)",
    "in __close": "do local x <close> = setmetatable({}, {__close = function() while true do end end}) end",
    "in a C function": "string.find(('a'):rep(3000), '.-.-.-b')",
    "in gsub": "string.gsub(('a'):rep(3000), '.-.-.-b', '')",
    "in sort": "table.sort({3, 2, 1, 5, 4}, function() while true do end end)",
}
BOMBS = {
    "string.rep": "return ('x'):rep(1e9)",
    "tables": "local t = {} while true do t = {t} end",
    "concatenation": "local s = 'x' while true do s = s .. s end",
    "many keys": "local t = {} for i = 1, 1e7 do t['k' .. i] = i end return t",
    "table.concat": "local t = {} for i = 1, 1e5 do t[i] = ('x'):rep(1000) end return table.concat(t)",
}
FAULTS = {
    "recursion": "local function f() return 1 + f() end return f()",
    "recursion in C": "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
    "bytecode": "return load(string.dump(function() end))()",
    "syntax": "return ((",
    "a function": "return print",
    "a cycle": "local t = {} t.t = t return t",
    "nothing to call": "error()",
}


@pytest.mark.parametrize("source", [*ENDLESS.values(), *BOMBS.values(), *FAULTS.values()])
def test_a_bad_script_fails_alone(source):
    async def use(runner: ChildRunner):
        before = time.monotonic()
        with pytest.raises(SkepError) as caught:
            await runner.run(Script(source), {})
        assert time.monotonic() - before < 5
        assert isinstance(caught.value, LimitExceeded | LuaError) or caught.value.code == "E-LUA-VALUE"
        return await runner.run(Script("return 'alive'"), {})

    assert using(use) == "alive"


def test_a_value_that_is_too_big_stays_inside():
    async def use(runner: ChildRunner):
        with pytest.raises(LimitExceeded, match="output"):
            await runner.run(Script("return ('x'):rep(70000)"), {})
        with pytest.raises(LuaError, match="output"):
            await runner.run(Script("return host.f(('x'):rep(70000))"), {}, host={"f": len})
        return await runner.run(Script("return #('x'):rep(70000)"), {})

    assert using(use) == 70_000


# -- what Lua can reach --------------------------------------------------------------------------

REACHES = [
    "os and os.exit and os.exit(0)",
    "os and os.getenv and os.getenv('SKEP_CANARY')",
    "os and os.remove and os.remove(x.file)",
    "io and io.open and io.open(x.file) and io.open(x.file):read('a')",
    "io and io.open and io.open(x.file, 'w') and true",
    "io and io.popen and io.popen('cat ' .. x.file):read('a')",
    "io and io.lines and io.lines(x.file)()",
    "loadfile and loadfile(x.file)",
    "dofile and dofile(x.file)",
    "require and require('../../etc/passwd')",
    "package and package.loadlib and package.loadlib('libc.so.6', 'system')",
    "package and package.searchpath and package.searchpath('passwd', '/etc/?')",
    "debug and debug.getregistry and debug.getregistry()",
    "debug and debug.getupvalue and debug.getupvalue(pcall, 1)",
    "python and python.eval('open')",
    "python and python.builtins",
    "rawget(_G, 'python') and 1",
    "null.__class__",
    "getmetatable(null) or nil",
    "getmetatable('').__index and 1",
    "host.f.__globals__",
    "host.f.__self__",
    "(pcall(setmetatable, '', {}))",
    "load('return os.execute')()",
    "_ENV.io and _ENV.io.open(x.file)",
    "select(2, pcall(error, setmetatable({}, {__tostring = function() return io.open(x.file):read() end})))",
]


@pytest.mark.parametrize("reach", REACHES)
def test_lua_reaches_neither_files_nor_environment_nor_python(reach, tmp_path, monkeypatch):
    canary = tmp_path / "canary"
    canary.write_text(CANARY)
    monkeypatch.setenv("SKEP_CANARY", CANARY)

    async def use(runner: ChildRunner):
        look = (
            f"local ok, v = pcall(function() local v = {reach} return v and tostring(v) end) return ok and v"
        )
        return await runner.run(Script(look), {"x": {"file": str(canary)}}, host={"f": len})

    found = using(use)
    assert found in (None, False), found
    assert canary.read_text() == CANARY


def test_the_memory_of_a_call_is_free_for_the_next():
    filling = Script("kept = {} for i = 1, 20 do kept[i] = ('x'):rep(1 << 20) .. i end return #kept")

    async def use(runner: ChildRunner):
        return [await runner.run(filling, {}) for _ in range(8)]

    assert using(use, Limits(memory=32 * 2**20, wall=5.0, output=64 * 1024)) == [20] * 8


def test_nothing_of_a_call_is_left_for_the_next():
    leaving = "secret = x; string.upper = nil; getmetatable = nil; math.pi = 3; table.insert(_G, x); _ENV.print = nil"

    async def use(runner: ChildRunner):
        await runner.run(Script(leaving), {"x": CANARY})
        look = (
            "return {secret == nil, string.upper ~= nil, getmetatable ~= nil, math.pi > 3, #_G, print ~= nil}"
        )
        return await runner.run(Script(look), {})

    assert using(use) == [True, True, True, True, 0, True]


def test_two_principals_never_meet_in_a_process():
    async def use():
        pool = ChildPool(LIMITS, max_size=1)
        try:
            await ChildRunner(pool, "one").run(Script("secret = x"), {"x": CANARY})
            (first,) = pool._idle
            found = await ChildRunner(pool, "other").run(Script("return secret"), {})
            (second,) = pool._idle
            await first.gone
            return found, first.pid == second.pid
        finally:
            await pool.shutdown()

    assert run(use()) == (None, False)


# -- what the process can reach, under the control of whoever got out of Lua ---------------------

MISSING = [name for name, wall in hardening().items() if wall is None]
REFUSED = {"EPERM", "EACCES", "EMFILE", "MemoryError", "ValueError"}


@pytest.mark.skipif(bool(MISSING), reason=f"this kernel has no {', '.join(MISSING)}")
def test_python_itself_reaches_nothing_from_the_hardened_process():
    async def use(runner: ChildRunner):
        return await runner.run(Script("probe"), {})

    found = using(use, Limits(wall=10), program=lua_children.program("prober"))
    assert isinstance(found, dict)
    assert set(found) == set(lua_children.PROBES)
    assert {name: how for name, how in found.items() if how not in REFUSED} == {}


@pytest.mark.skipif(hardening()["landlock"] is None, reason="this kernel has no Landlock")
def test_landlock_alone_takes_every_file_away():
    async def use(runner: ChildRunner):
        return await runner.run(Script("probe"), {})

    found = using(use, Limits(wall=10), program=lua_children.program("landlocked"))
    assert isinstance(found, dict)
    assert set(found.values()) == {"EACCES"}, found


@pytest.mark.skipif(bool(MISSING), reason=f"this kernel has no {', '.join(MISSING)}")
def test_the_kernel_itself_says_that_nothing_can_be_taken_back():
    async def use(runner: ChildRunner):
        await runner.run(Script("return 1"), {})
        (child,) = runner._pool._idle
        return status(child.pid), limits(child.pid)

    said, limited = using(use)
    assert {said[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh")} <= {"0" * 16} | (
        {said["CapBnd"]} if os.getuid() else set()
    )
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    zero = ("Max core file size", "Max file size", "Max open files", "Max processes")
    assert {limited[name] for name in zero} == {("0", "0")}
    assert limited["Max cpu time"] == ("61", "61")
    assert int(limited["Max address space"][1]) < 2**30


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def limits(pid: int) -> dict[str, tuple[str, str]]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): (line[26:47].strip(), line[47:68].strip()) for line in lines}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc is not there to look")
def test_a_process_has_two_descriptors_an_empty_environment_and_every_wall(monkeypatch):
    monkeypatch.setenv("SKEP_CANARY", CANARY)
    inherited = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(inherited, True)

    async def use(runner: ChildRunner):
        await runner.run(Script("return 1"), {})
        (child,) = runner._pool._idle
        return seen(child.pid), child.walls

    try:
        (descriptors, environment, folder), walls = using(use)
    finally:
        os.close(inherited)
    assert descriptors == ["0", "1"]
    assert environment == b""
    assert folder == "/"
    assert walls == [name for name, wall in hardening().items() if wall is not None]


def seen(pid: int) -> tuple[list[str], bytes, str]:
    place = Path(f"/proc/{pid}")
    descriptors = sorted(entry.name for entry in (place / "fd").iterdir())
    return descriptors, (place / "environ").read_bytes(), str((place / "cwd").readlink())


# -- beside it -----------------------------------------------------------------------------------


def test_one_bad_script_takes_nothing_from_the_others():
    async def use():
        pool = ChildPool(Limits(wall=1), max_size=2)
        bad, good = ChildRunner(pool, "bad"), ChildRunner(pool, "good")
        try:
            await good.run(Script("return 1"), {})
            spinning = asyncio.create_task(bad.run(Script(ENDLESS["in a C function"]), {}))
            results = [await good.run(Script("return x"), {"x": number}) for number in range(5)]
            assert not spinning.done()
            with pytest.raises(LimitExceeded, match="wall"):
                await spinning
            return results
        finally:
            await pool.shutdown()

    assert run(use()) == list(range(5))
