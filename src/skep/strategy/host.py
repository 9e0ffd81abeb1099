"""Strategies in this process: started, kept, found again (DESIGN section 10)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from skep.clock import Clock, SystemClock
from skep.errors import LimitExceeded, StrategyError
from skep.lua.limits import Limits as LuaLimits
from skep.lua.runner import Script
from skep.lua.vm import LuaVM
from skep.strategy.answerers.base import Answerer
from skep.strategy.budget import Budget, read_budget
from skep.strategy.home import Home
from skep.strategy.outcomes import End
from skep.strategy.packages.resolution import Packages
from skep.strategy.records import MemoryRecord
from skep.strategy.runtime import Place, Runtime
from skep.strategy.script import Entry
from skep.strategy.session import StrategySession

MAX_SESSIONS = 100_000
"""Sessions in memory, ended ones included."""


class StrategyHost:
    """Runs strategies, each on a VM of its own.

    Args:
        paths: folders in which packages lie, searched before the home's.
        home: where state, cards and installed packages are; none of these without it.
        project_root: a folder whose `alc.local.toml` and `alc.lock` count; see `packages.layout.find_project`.
        limits: of each VM.
        clock: another clock than the machine's, for tests.
    """

    def __init__(
        self,
        paths: Sequence[Path | str] = (),
        *,
        home: Path | str | None = None,
        project_root: Path | str | None = None,
        limits: LuaLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._paths = tuple(map(Path, paths))
        self._project_root = project_root
        self.home = Home(Path(home).absolute()) if home is not None else None
        """State, cards, logs, evals and scenarios, if there is a home."""
        self._runtime = Runtime(
            clock or SystemClock(),
            limits or LuaLimits(),
            self.home,
        )
        self._sessions: dict[str, StrategySession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop every VM. Sessions that have not ended are left as they are."""
        for session in list(self._sessions.values()):
            await session.evict()

    def packages(self, extra_paths: Sequence[Path | str] = ()) -> Packages:
        """Where this host looks for packages, `extra_paths` first."""
        return Packages(
            self._paths,
            extra_paths,
            self.home and self.home.path,
            self._project_root,
            largest=self._runtime.limits.source,
        )

    # -- running -------------------------------------------------------------------------------

    async def start(
        self,
        code: str | None = None,
        ctx: Any = None,
        *,
        strategy: str | None = None,
        extra_paths: Sequence[Path | str] = (),
        budget: Budget | None = None,
    ) -> StrategySession:
        """Begin a session: `code` as a chunk, or the package `strategy` by its `run(ctx)`.

        Args:
            code: Lua, text only; its `return` is the result, and none is null.
            ctx: the global `ctx`, a JSON value; null is an empty table. `ctx.budget` may hold limits.
            strategy: the name of a package.
            extra_paths: searched before the host's own.
            budget: of each limit given twice, the smaller counts.

        Raises:
            StrategyError: neither or both of `code` and `strategy`.
            LimitExceeded: too many sessions are held.
        """
        if (code is None) == (strategy is None):
            raise StrategyError("give either code or the name of a strategy")
        if len(self._sessions) >= MAX_SESSIONS:
            raise LimitExceeded("max_sessions", MAX_SESSIONS, fix="forget ended sessions")
        now = self._runtime.clock.now_ms()
        session = self._runtime.session(
            f"s-{now:x}-{secrets.token_hex(8)}",
            Entry(source=code, name=strategy or "code", ctx=ctx),
            MemoryRecord(now),
            Place(self.packages(extra_paths)),
            strategy=strategy,
            budget=read_budget(ctx, budget),
        )
        self._sessions[session.id] = session
        return session

    async def run(
        self,
        code: str | None = None,
        ctx: Any = None,
        *,
        answer: Answerer,
        strategy: str | None = None,
        extra_paths: Sequence[Path | str] = (),
        budget: Budget | None = None,
    ) -> End:
        """Start a session and drive it to its end."""
        session = await self.start(code, ctx, strategy=strategy, extra_paths=extra_paths, budget=budget)
        return await session.run(answer)

    async def eval_simple(self, code: str, extra_paths: Sequence[Path | str] = ()) -> Any:
        """Evaluate code that asks nothing, without `alc`, on fresh globals; its first value.

        Raises:
            LuaError, LimitExceeded, ConversionError: as `LuaVM.run`.
        """
        find = self.packages(extra_paths).finder("trusted")

        def evaluate() -> Any:
            vm = LuaVM(self._runtime.limits, roots=find)
            try:
                return vm.run(Script(code, "eval"))
            finally:
                vm.close()

        return await asyncio.to_thread(evaluate)

    def session(self, session_id: str) -> StrategySession:
        """A session that was started here, in any state. Raises `StrategyError`."""
        found = self._sessions.get(session_id)
        if found is None:
            raise StrategyError(
                f"session '{session_id[:100]}' not found", fix="`sessions` lists those there are"
            )
        return found

    @property
    def sessions(self) -> Mapping[str, StrategySession]:
        """By id, in every state, the oldest first."""
        return self._sessions
