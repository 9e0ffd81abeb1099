"""Whether Lua in a Blueprint can be compiled: told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from skep.errors import LimitExceeded, SkepError
from skep.flow.lua_files import LuaSource
from skep.flow.problems import Problem
from skep.lua.runner import Script


def check_syntax(script: Script) -> None:
    """Compile a script; nothing of it runs. For trusted text only: Lua's compiler works in this process.

    Raises:
        LuaError: a syntax error, with the script's name and the line.
        LimitExceeded: the source is too long, or compiling takes too much memory.
        ConversionError: it has no UTF-8 form.
    """
    from skep.lua.vm import LuaVM  # noqa: PLC0415 - who has no Lua does not wait for it to be loaded

    vm = LuaVM()
    try:
        vm.compile(script)
    finally:
        vm.close()


def syntax_problems(source: LuaSource | None, name: str, place: str) -> Iterator[Problem]:
    """What `check_syntax` says of a Blueprint's script, which is called `name` unless it has a name."""
    if source is None or source.source is None:
        return
    try:
        check_syntax(Script(source.source, source.name or name))
    except LimitExceeded as error:
        yield Problem(place, "E-LIMIT", str(error), "write less")
    except SkepError as error:
        yield Problem(place, "E-LUA-SYNTAX", str(error), "correct the script")
