"""Strategies in this process: started, kept, found again (DESIGN section 10)."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from msgspec import Struct, structs

from skep.clock import Clock, SystemClock
from skep.errors import LimitExceeded, StrategyError
from skep.limits import DEFAULT_LIMITS
from skep.lua.limits import Limits as LuaLimits
from skep.lua.modules import Roots
from skep.lua.runner import Script
from skep.lua.vm import LuaVM
from skep.strategy.answerers.base import Answerer
from skep.strategy.budget import Budget, read_budget
from skep.strategy.calls import Calls
from skep.strategy.environment import Environment, Fork
from skep.strategy.outcomes import End
from skep.strategy.parking import Parking
from skep.strategy.primitives.small import small_calls
from skep.strategy.records import MemoryRecord, SessionRecord
from skep.strategy.script import Entry, LuaScript
from skep.strategy.session import StrategySession
from skep.strategy.steps import Stepper
from skep.workers.threads import ThreadPool

log = logging.getLogger("skep.strategy")

MAX_SESSIONS = 100_000
"""Sessions in memory, ended ones included."""
MAX_DEPTH = 4
"""Forks within forks."""


class _Place(Struct, frozen=True):
    """Where a script stands in its session; `branch` is empty for the first and begins the ids of a child's queries."""

    roots: tuple[Path, ...]
    branch: str = ""
    depth: int = 0

    def child(self, fork: int, number: int) -> _Place:
        return _Place(self.roots, f"{self.branch}f{fork}-{number}-", self.depth + 1)


class StrategyHost:
    """Runs strategies, each on a VM of its own.

    Args:
        paths: folders in which packages lie, searched before the home's.
        home: where state, cards and installed packages are; none of these without it.
        limits: of each VM.
        clock: another clock than the machine's, for tests.
    """

    def __init__(
        self,
        paths: Sequence[Path | str] = (),
        *,
        home: Path | str | None = None,
        limits: LuaLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._paths = tuple(Path(path) for path in paths)
        self._home = Path(home) if home is not None else None
        self._limits = limits or LuaLimits()
        self._clock = clock or SystemClock()
        self._sessions: dict[str, StrategySession] = {}
        self._parking = Parking()
        bounds = structs.replace(
            DEFAULT_LIMITS, sync_threads=8, abandoned_threads=1_024, sync_waiting=MAX_SESSIONS
        )
        self._threads = ThreadPool(bounds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop every VM. Sessions that have not ended are left as they are."""
        for session in list(self._sessions.values()):
            await session.evict()

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
        now = self._clock.now_ms()
        entry = Entry(source=code, name=strategy or "code", ctx=ctx)
        place = _Place((*map(Path, extra_paths), *self._paths))
        record = MemoryRecord(now)

        def script(session: StrategySession) -> Stepper:
            return self._script(session, record, entry, place)

        session = StrategySession(
            f"s-{now:x}-{secrets.token_hex(8)}",
            script,
            record,
            self._clock,
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
        roots = (*map(Path, extra_paths), *self._paths)

        def evaluate() -> Any:
            vm = LuaVM(self._limits, roots=roots)
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

    # -- inside --------------------------------------------------------------------------------

    def _script(
        self, session: StrategySession, record: SessionRecord, entry: Entry, place: _Place
    ) -> LuaScript:
        calls = Calls(record.calls(place.branch))
        metrics, budget, now = session.metrics, session.budget, self._clock.now_ms

        def fork(number: int, fork: Fork) -> tuple[Stepper, ...]:
            if place.depth >= MAX_DEPTH:
                raise LimitExceeded("max_fork_depth", MAX_DEPTH, where="alc.fork")
            return tuple(
                self._script(session, record, Entry(name=name, ctx=fork.ctx), place.child(number, child))
                for child, name in enumerate(fork.strategies)
            )

        def known(query_id: str) -> Any:
            answered = record.answers.get(query_id)
            return answered.reply if answered is not None else None

        environment = Environment(
            calls=calls,
            metrics=metrics,
            budget=budget,
            seeds=record.seeds,
            started_at=record.started_at,
            prefix=place.branch or "q",
            now=now,
            known=known,
            primitives=small_calls(calls, metrics, budget, now),
            find=Roots(place.roots, self._limits.source).find,
            fork=fork,
            write=lambda level, text: log.log(_LEVELS.get(level, logging.INFO), "%s: %s", session.id, text),
            limits=self._limits,
            profile="trusted",
            parked=self._parking.add,
            unparked=self._parking.remove,
        )
        return LuaScript(entry, environment, self._threads)


_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "debug": logging.DEBUG}
