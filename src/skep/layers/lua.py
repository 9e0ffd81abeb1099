"""`lua`: a gate before the worker and a transform of its result, both in Lua."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self

from msgspec import structs

from skep.core.outputs import Artifact, final, inline
from skep.errors import (
    ConfigError,
    LuaError,
    LuaProcessFailed,
    RejectedByMiddleware,
    SkepError,
    SpawnError,
    WorkerCancelled,
    WorkerFailed,
)
from skep.layers.base import Around
from skep.layers.lua_shared import SHARED
from skep.lua.runner import Runner, Script
from skep.values import clean_text, type_name, type_of
from skep.workers.base import Ctx, Outcome, Spawner, Worker, wrap_join
from skep.workers.completion import MAX_ERROR_TEXT

if TYPE_CHECKING:
    from skep.lua.pool import LuaPool
    from skep.lua.pooled import Where

OnError = Literal["block", "keep"]
RunnerOf = Callable[[Ctx], Runner]
"""The runner for one attempt's hooks."""

BY = "layer:lua"
FAILED = "lua_error"
"""The name of the artifact that says why `after` changed nothing."""

_KINDS = {"main_ai": "MainAi", "automate": "Automate", "composite": "Composite"}

log = logging.getLogger("skep.layers")


class LuaLayer:
    """Runs Lua before the worker starts and after it has ended well; with neither hook, nothing.

    Each hook is a chunk that gives a function, evaluated on every call: `before(ctx)` refuses the attempt by an
    error (`RejectedByMiddleware("lua before: ...")`), what it returns does not count. `after(ctx, {value, ok})` gets
    the last inline `final` and returns a table: its `value` (absent: null) and its `ok` (absent or no boolean: as
    it was) are appended as the result. Nothing happens for a file, or without a result. docs/layers.md has `ctx`.

    Args:
        before: source of the gate, or a `Script` with the name that its errors show.
        after: source of the transform, likewise.
        pool: its VMs; a process-wide pool of four by default. Globals of a warm VM stay for the next hook.
        on_error: when `after` fails: `block` fails the attempt, `keep` leaves the result as it was, with a warning in
            the log and an artifact `lua_error`.
        where: `inline` runs hooks on the event loop, which waits for them; `thread` in a thread.
        runner: gives the runner of each attempt, in place of `pool` and `where`.

    Raises:
        ConfigError: both `pool` and `runner`.
    """

    name = "lua"

    def __init__(
        self,
        before: str | Script | None = None,
        after: str | Script | None = None,
        pool: LuaPool | None = None,
        *,
        on_error: OnError = "block",
        where: Where = "inline",
        runner: RunnerOf | None = None,
    ) -> None:
        if pool is not None and runner is not None:
            raise ConfigError("a pool and a runner were given to LuaLayer", fix="give one of them")
        self.gate = _gate(before)
        self.transform = _script(after, "after")
        self.on_error: OnError = on_error
        self.waits = runner is not None or where != "inline"
        """Whether the event loop goes on while a hook runs."""
        self._where: Where = where
        self.runner: RunnerOf = runner or _runner_of(pool, where)

    def before(self, source: str | Script) -> Self:
        """A copy with this gate."""
        return self._with(gate=_gate(source))

    def after(self, source: str | Script) -> Self:
        """A copy with this transform."""
        return self._with(transform=_script(source, "after"))

    def with_pool(self, pool: LuaPool) -> Self:
        """A copy that uses these VMs."""
        return self._with(runner=_runner_of(pool, self._where), waits=self._where != "inline")

    def __call__(self, inner: Spawner) -> Spawner:
        return inner if self.gate is None and self.transform is None else _Hooked(inner, self)

    def _with(self, **changes: Any) -> Self:
        changed = copy.copy(self)
        vars(changed).update(changes)
        return changed


LuaMiddleware = LuaLayer


class _Hooked(Around):
    def __init__(self, inner: Spawner, layer: LuaLayer) -> None:
        super().__init__(inner)
        self._layer = layer

    async def spawn(self, ctx: Ctx) -> Worker:
        layer = self._layer
        if layer.gate is not None:
            await _ask(layer.gate, layer.runner, ctx)
        worker = await self.inner.spawn(ctx)
        if layer.transform is None:
            return worker

        async def after(outcome: Outcome) -> Outcome:
            if outcome is not None:
                return outcome
            if layer.waits:
                await ctx.channel.joined()
            return await self._transform(ctx)

        return wrap_join(worker, after, name=layer.name)

    async def _transform(self, ctx: Ctx) -> Outcome:
        last = ctx.channel.last_final()
        if last is None or self._layer.transform is None:
            return None
        try:
            await _change(self._layer.transform, self._layer.runner, ctx, *last)
        except WorkerCancelled as cancelled:
            return cancelled
        except SkepError as error:
            why = clean_text(str(error), MAX_ERROR_TEXT)
            text = f"lua after: {why}"
            if self._layer.on_error == "block":
                failure = WorkerFailed(text)
                failure.__cause__ = error
                return failure
            log.warning("%s attempt %d of %s: %s; result kept", ctx.agent, ctx.attempt, ctx.task_id, text)
            ctx.channel.append(Artifact(FAILED, inline(why)), by=BY)
        return None


async def _ask(gate: Script, runner: RunnerOf, ctx: Ctx) -> None:
    """Raises what keeps the worker from starting; trouble on the way to the hook is no rejection."""
    try:
        await runner(ctx).hook(gate, table(ctx), cancel=ctx.cancel_token)
    except WorkerCancelled:
        raise
    except LuaProcessFailed as error:
        raise _trouble(error) from error
    except LuaError as error:
        raise RejectedByMiddleware(f"lua before: {clean_text(str(error), MAX_ERROR_TEXT)}") from error
    except SkepError as error:
        raise _trouble(error) from error


def _trouble(error: SkepError) -> SpawnError:
    return SpawnError(f"lua before: {clean_text(str(error), MAX_ERROR_TEXT)}")


async def _change(transform: Script, runner: RunnerOf, ctx: Ctx, value: Any, ok: bool) -> None:
    given = {"value": value, "ok": ok}
    changed = await runner(ctx).hook(transform, table(ctx), given, cancel=ctx.cancel_token)
    if type_of(changed) is not dict:
        raise LuaError(
            f"{transform.name} returned {type_name(changed)}, not a table with value and ok",
            script=transform.name,
        )
    new = changed.get("ok")
    ctx.channel.append(final(changed.get("value"), ok=new if type_of(new) is bool else ok), by=BY)


def table(ctx: Ctx) -> dict[str, Any]:
    """What a hook sees of an attempt."""
    operator = ctx.operator
    return {
        "task_id": ctx.task_id,
        "attempt": ctx.attempt,
        "agent": ctx.agent,
        "run_id": ctx.run_id,
        "operator": {"kind": _KINDS[operator.kind], "kind_name": operator.kind, "id": operator.id},
        "meta": ctx.meta,
    }


def _gate(source: str | Script | None) -> Script | None:
    script = _script(source, "before")
    return structs.replace(script, drops_result=True) if script is not None else None


def _script(source: str | Script | None, name: str) -> Script | None:
    return Script(source, name) if isinstance(source, str) else source


def _runner_of(pool: LuaPool | None, where: Where) -> RunnerOf:
    from skep.lua.pooled import PooledRunner  # noqa: PLC0415 - loaded with the first layer, not with its first hook

    if pool is None:
        return lambda _ctx: SHARED.runner(where)
    runner = PooledRunner(pool, where)
    return lambda _ctx: runner
