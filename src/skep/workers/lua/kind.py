"""The Blueprint kind `lua`."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from skep.errors import NotRegistered, TrustError
from skep.flow.problems import did_you_mean
from skep.limits import MIB, Limits
from skep.lua.limits import Limits as LuaLimits
from skep.lua.runner import Runner, Script
from skep.workers.base import BuildEnv, Ctx, Spawner
from skep.workers.lua.scripts import LuaScripts, Registered
from skep.workers.lua.spawner import LuaSpawner
from skep.workers.lua.spec import LuaSpec, LuaSpecLimits
from skep.workers.threads import ThreadPool

if TYPE_CHECKING:
    from skep.lua.isolation.pool import ChildPool
    from skep.lua.pooled import PooledRunner

TRUSTED = LuaLimits(memory=256 * MIB, wall=3_600.0, instructions=10**13, output=64 * MIB)
"""Of the owner's scripts: an attempt's own timeout comes first."""
UNTRUSTED = LuaLimits()


class LuaKind:
    """Builds spawners for scripts: the owner's run in threads, those of strangers in processes, each in a fresh VM.

    A process serves one run only.
    """

    def __init__(self, scripts: LuaScripts) -> None:
        self._scripts = scripts
        self._threads: ThreadPool | None = None
        self._runners: weakref.WeakSet[PooledRunner] = weakref.WeakSet()
        self._children: ChildPool | None = None

    def build(self, agent: str, spec: Any, env: BuildEnv) -> Spawner:
        """The spawner of one agent, whose spec lint has checked.

        Raises:
            NotRegistered: no script of that name.
            TrustError: `limits` in an untrusted Blueprint.
        """
        read = msgspec.convert(spec if spec is not None else {}, LuaSpec)
        if not env.trusted and read.limits != LuaSpecLimits():
            raise TrustError(
                "an untrusted Blueprint sets limits", where=f"agent {agent}", fix="leave spec.limits out"
            )
        found = self._registered(read.fn_id, agent) if read.fn_id is not None else None
        script = found.script if found is not None else Script(read.source or "", read.name or agent)
        if found is None and not env.trusted:
            return LuaSpawner(script, self._child, limits=env.limits)
        runner = self._threaded(read.limits, env.limits)
        return LuaSpawner(script, lambda _ctx: runner, found.host if found is not None else None, env.limits)

    async def close(self) -> None:
        """End every VM and process."""
        for runner in list(self._runners):
            await runner.close()
        children, self._children = self._children, None
        if children is not None:
            await children.shutdown()

    def _registered(self, name: str, agent: str) -> Registered:
        found = self._scripts.get(name)
        if found is None:
            fix = f"register it with engine.lua_script({name!r}, ...)"
            near = did_you_mean(name, list(self._scripts))
            raise NotRegistered(
                f"Lua script {name!r} is not registered",
                where=f"agent {agent}",
                fix=f"{fix}; {near}" if near else fix,
            )
        return found

    def _threaded(self, asked: LuaSpecLimits, limits: Limits) -> PooledRunner:
        from skep.lua.pool import LuaPool, Strategy  # noqa: PLC0415 - who runs no Lua does not wait for it
        from skep.lua.pooled import PooledRunner  # noqa: PLC0415 - as above

        changes = {name: value for name, value in structs.asdict(asked).items() if value is not None}
        allowed = structs.replace(TRUSTED, **changes)
        pool = LuaPool(limits.sync_threads, Strategy.COLD, limits=allowed, max_waiting=limits.sync_waiting)
        self._threads = self._threads or ThreadPool(limits)
        runner = PooledRunner(pool, "thread", checkout=None, threads=self._threads)
        self._runners.add(runner)
        return runner

    def _child(self, ctx: Ctx) -> Runner:
        from skep.lua.isolation.pool import ChildPool  # noqa: PLC0415 - as above
        from skep.lua.isolation.runner import ChildRunner  # noqa: PLC0415 - as above

        if self._children is None:
            self._children = ChildPool(UNTRUSTED)
        return ChildRunner(self._children, ctx.run_id or ctx.task_id)
