"""The Lua part of the runtime: what every script needs at once, and parts that are loaded when first looked at."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from skep.lua.runner import Script

_FIRST = ("json", "host", "later")
_MATH = ("random", "sampling", "describe", "special", "distributions", "tests")


@cache
def prelude() -> Script:
    """What is loaded into every VM, as one chunk. Parts see the global `alc` and `_host`, which goes at the end."""
    parts = [f"do {_source(f'{name}.lua')}\nend" for name in _FIRST]
    return Script("\n".join(["alc = {}", *parts, "_host = nil"]), "alc")


@cache
def part(name: str) -> str:
    """The source of a part that `later.lua` asks for: a module of the prelude, or `math`."""
    if name == "math":
        return "\n".join(f"do {_source(f'math/{name}.lua')}\nend" for name in _MATH)
    return _source(f"{name}.lua")


def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text()
