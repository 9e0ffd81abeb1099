"""What a Blueprint says about a `lua` agent."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from skep.flow.lua_files import LuaSource, check_source
from skep.flow.problems import Problem
from skep.flow.struct_reader import StructReader
from skep.lua.syntax import syntax_problems

Positive = Annotated[int, Meta(gt=0, le=2**62)]


class LuaSpecLimits(Struct, frozen=True, kw_only=True):
    """What one attempt's VM may use, where the default does not do."""

    memory: Positive | None = None
    """Bytes."""
    wall: Annotated[float, Meta(gt=0, le=30 * 86_400)] | None = None
    """Seconds, host functions included."""
    instructions: Positive | None = None


class LuaSpec(LuaSource, frozen=True, kw_only=True):
    """Which script an agent is: one of `source`, `file` and `fn_id`."""

    fn_id: Annotated[str, Meta(min_length=1)] | None = None
    """The name of a script that code has registered."""
    limits: LuaSpecLimits = LuaSpecLimits()
    """Only in trusted Blueprints."""


def check_lua_spec(spec: Any, place: str) -> list[Problem]:
    """Everything wrong with a `lua` agent's spec.

    >>> [problem.code for problem in check_lua_spec({}, "agents[0].spec")]
    ['E-FIELD-MISSING']
    """
    problems: list[Problem] = []
    read = StructReader(problems).struct(LuaSpec, spec if spec is not None else {}, place)
    if read is None or problems:
        return problems
    if read.fn_id is None:
        problems += check_source(read, place)
    elif read.source is not None or read.file is not None:
        message = "fn_id and a source both name the script"
        problems.append(Problem(place, "E-FIELD-TWICE", message, "keep one of them"))
    return problems


def check_lua_code(spec: Any, place: str) -> list[Problem]:
    """Whether the script of a `lua` agent can be compiled.

    >>> [problem.message for problem in check_lua_code({"source": "return 1 +"}, "agents[0].spec")]
    ['script:1: unexpected symbol near <eof>']
    """
    problems: list[Problem] = []
    read = StructReader(problems).struct(LuaSpec, spec if spec is not None else {}, place)
    return list(syntax_problems(read, "script", place)) if not problems else []
