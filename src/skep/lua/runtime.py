"""A bare Lua state, closed as far as lupa can close it, and the Lua part of a VM in it."""

from __future__ import annotations

from typing import Any, Never

from skep.lua.binding import LuaRuntime
from skep.lua.boot import boot_code
from skep.lua.bridge import Bridge
from skep.lua.convert import ARRAY, END, OBJECT, Flattener
from skep.lua.limits import Limits


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


def boot(runtime: Any, bridge: Bridge, limits: Limits, *, trusted: bool) -> Any:
    """Run the Lua part; from here on the state's own globals are out of reach for scripts. Returns its acts."""
    chunk = runtime.compile(boot_code()[0])
    act, *marks = chunk(bridge.limited, bridge.ask, OBJECT, ARRAY, END, trusted, limits.output, limits.depth)
    bridge.flattener = Flattener(limits.depth, *marks)
    return act


def _refuse(_object: object, _name: object, _setting: bool) -> Never:
    raise AttributeError("Python objects are closed to Lua")
