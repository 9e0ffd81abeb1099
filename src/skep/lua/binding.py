"""lupa's binding of Lua 5.5, which has no types. By this name: `lupa` alone is whatever Lua is its newest."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_lua55 = import_module("lupa.lua55")

LuaRuntime: Any = _lua55.LuaRuntime
LupaError: type[Exception] = _lua55.LuaError
LuaMemoryError: type[Exception] = _lua55.LuaMemoryError
