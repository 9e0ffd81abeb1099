"""A bare Lua state, closed as far as lupa can close it, and the Lua part of a VM in it."""

from __future__ import annotations

from typing import Any, Never

from lupa.lua55 import LuaRuntime

from skep.lua.boot import EXPORTS, boot_code
from skep.lua.bridge import Bridge
from skep.lua.convert import ARRAY, END, OBJECT, Marks
from skep.lua.limits import Limits


class Lua:
    """The functions of the Lua part that the VM calls."""

    take: Any
    give: Any
    compile: Any
    forget: Any
    bind: Any
    bind_host: Any
    hook: Any
    run: Any
    resume: Any
    drop: Any
    spent: Any
    define: Any
    in_object: Any
    in_array: Any
    in_end: Any


def new_runtime(hash_seed: int) -> Any:
    """A Lua 5.5 state without `python.eval` and `python.builtins`, in which no attribute of any object opens."""
    return LuaRuntime(
        encoding="utf-8",
        register_eval=False,
        register_builtins=False,
        attribute_filter=_refuse,
        unpack_returned_tuples=True,
        max_memory=2**62,
        string_hash_seed=hash_seed,
    )


def boot(runtime: Any, bridge: Bridge, limits: Limits, *, trusted: bool) -> Lua:
    """Run the Lua part; from here on the state's own globals are out of reach for scripts."""
    load = runtime.globals().load
    chunk = load(boot_code(), "=skep", "b")
    exports = chunk(*bridge.functions(), OBJECT, ARRAY, END, trusted, limits.output, limits.depth)
    lua = Lua()
    for name, value in zip(EXPORTS, exports, strict=True):
        setattr(lua, name, value)
    bridge.marks = Marks(lua.in_object, lua.in_array, lua.in_end)
    return lua


def _refuse(_object: object, _name: object, _setting: bool) -> Never:
    raise AttributeError("Python objects are closed to Lua")
