"""The Lua part of the runtime, in the order in which it is loaded."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from skep.lua.runner import Script

_FIRST = ("json", "host", "collections", "parsing", "asking", "settings", "pipe", "eval")
_MATH = ("random", "sampling", "describe", "special", "distributions", "tests")


@cache
def prelude() -> Script:
    """Everything but `alc.math`, as one chunk: parts see the global `alc` and `_host`, which goes at the end."""
    parts = [f"do {_source(f'{name}.lua')}\nend" for name in _FIRST]
    return Script("\n".join([_START, *parts, _END]), "alc")


@cache
def math_source() -> str:
    """`alc.math`, loaded when a package first looks at it: most do not."""
    return "\n".join(f"do {_source(f'math/{name}.lua')}\nend" for name in _MATH)


_START = "alc = {}"
_END = """
local load_math = _host.math
alc.math = setmetatable({}, {
  __index = function(math_table, name)
    setmetatable(math_table, nil)
    assert(load(load_math(true), "=alc.math", "t"))()
    return math_table[name]
  end,
})
_host = nil
"""


def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text()
