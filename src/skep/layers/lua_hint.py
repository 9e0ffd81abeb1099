"""The key `lua` in a Blueprint: hooks by file or in place, those of strangers in a process of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from skep.flow.catalog import HintInfo
from skep.flow.lua_files import HOOKS, LuaSource, check_source
from skep.flow.problems import Problem, inside
from skep.layers.lua import LuaLayer, OnError
from skep.layers.lua_shared import HOOK_LIMITS, SHARED
from skep.layers.options import check_of, code_check_of, read_options
from skep.lua.runner import Runner, Script
from skep.lua.syntax import syntax_problems
from skep.workers.base import Ctx
from skep.workers.layer_env import LayerEnv

if TYPE_CHECKING:
    from skep.lua.isolation.pool import ChildPool


class LuaOptions(Struct, frozen=True, kw_only=True):
    """See `LuaLayer`."""

    before: LuaSource | None = None
    after: LuaSource | None = None
    on_error: OnError = "block"
    where: Literal["inline", "thread"] = "inline"
    """Only in trusted Blueprints: hooks of others run in a process."""


def _check(options: LuaOptions, place: str) -> Iterator[Problem]:
    for name in HOOKS:
        source: LuaSource | None = getattr(options, name)
        if source is not None:
            yield from check_source(source, inside(place, name))
    if options.before is None and options.after is None:
        yield Problem(place, "E-FIELD-MISSING", "a Lua layer without a hook", "give before or after")


def _check_code(options: LuaOptions, place: str) -> Iterator[Problem]:
    for name in HOOKS:
        yield from syntax_problems(getattr(options, name), name, inside(place, name))


HINT = HintInfo(
    key="lua",
    what="a gate before and a transform after, in Lua",
    repeats=True,
    check=check_of(LuaOptions, _check),
    check_code=code_check_of(LuaOptions, _check_code),
    untrusted_keys=frozenset({"before", "after", "on_error"}),
)


class LuaHooks:
    """Makes the layers of one engine and owns what they share."""

    def __init__(self) -> None:
        self._children: ChildPool | None = None

    def factory(self, options: Mapping[str, Any], env: LayerEnv) -> LuaLayer:
        """See `skep.layers.registry.Factory`."""
        read = read_options(LuaOptions, options)
        before, after = _script(read.before, "before"), _script(read.after, "after")
        if not env.trusted:
            return LuaLayer(before, after, on_error=read.on_error, runner=self._child)
        SHARED.hold(self)
        return LuaLayer(before, after, on_error=read.on_error, where=read.where)

    async def close(self) -> None:
        """The engine has closed."""
        SHARED.drop(self)
        children, self._children = self._children, None
        if children is not None:
            await children.shutdown()

    def _child(self, ctx: Ctx) -> Runner:
        """Processes that only this run's scripts are in; a task outside a run stands for one."""
        from skep.lua.isolation.pool import ChildPool  # noqa: PLC0415 - who runs no Lua does not wait for it
        from skep.lua.isolation.runner import ChildRunner  # noqa: PLC0415 - as above

        if self._children is None:
            self._children = ChildPool(HOOK_LIMITS)
        return ChildRunner(self._children, ctx.run_id or ctx.task_id)


def _script(source: LuaSource | None, name: str) -> Script | None:
    return Script(source.source or "", source.name or name) if source is not None else None
