"""What makes sessions: the threads that their VMs run on, and the environment of each script."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct, structs

from skep.clock import Clock
from skep.errors import LimitExceeded
from skep.limits import DEFAULT_LIMITS
from skep.lua.limits import Limits as LuaLimits
from skep.strategy.budget import Budget
from skep.strategy.calls import Calls
from skep.strategy.environment import Environment, Fork
from skep.strategy.home import Home, Primitives, homeless
from skep.strategy.packages.resolution import Packages
from skep.strategy.parking import Parking
from skep.strategy.primitives.small import small_calls
from skep.strategy.primitives.state import namespace_of
from skep.strategy.queries import Reply
from skep.strategy.records import SessionRecord
from skep.strategy.script import Entry, LuaScript
from skep.strategy.session import StrategySession
from skep.strategy.steps import Stepper
from skep.workers.threads import ThreadPool

log = logging.getLogger("skep.strategy")

THREADS = 8
"""VMs that run at once."""
MAX_WAITING = 100_000
"""Sessions that wait for a thread."""
MAX_DEPTH = 4
"""Forks within forks."""

_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "debug": logging.DEBUG}


Write = Callable[[str, str], None]
"""Gets level and text of what a script logs."""


class Place(Struct, frozen=True):
    """Where a script stands in its session; `branch` is empty for the first and begins the ids of a child's queries."""

    packages: Packages
    branch: str = ""
    depth: int = 0

    def child(self, fork: int, number: int) -> Place:
        """That of the `number`-th script of a fork."""
        return Place(self.packages, f"{self.branch}f{fork}-{number}-", self.depth + 1)


class Runtime:
    """Shared by the sessions of one host."""

    def __init__(self, clock: Clock, limits: LuaLimits, home: Home | None = None) -> None:
        self.clock = clock
        self.limits = limits
        self._home = home
        self._parking = Parking(self._unwind)
        bounds = structs.replace(
            DEFAULT_LIMITS, sync_threads=THREADS, abandoned_threads=1_024, sync_waiting=MAX_WAITING
        )
        self._threads = ThreadPool(bounds)

    def session(
        self,
        session_id: str,
        entry: Entry,
        record: SessionRecord,
        place: Place,
        *,
        strategy: str | None = None,
        budget: Budget | None = None,
        write: Write | None = None,
    ) -> StrategySession:
        """A session that begins, or goes on from its record, when it is first looked at.

        What its scripts log goes to `write`, called from their threads; to the log `skep.strategy` without one.
        """
        say = write or _logger(session_id)

        def script(session: StrategySession) -> Stepper:
            return self._script(session, record, entry, place, say)

        return StrategySession(
            session_id,
            script,
            record,
            self.clock,
            strategy=strategy,
            budget=budget,
            closing=self._home.closing if self._home is not None else None,
        )

    def _script(
        self, session: StrategySession, record: SessionRecord, entry: Entry, place: Place, write: Write
    ) -> LuaScript:
        calls = Calls(record.calls(place.branch))
        metrics, budget, now = session.metrics, session.budget, self.clock.now_ms

        def fork(number: int, fork: Fork) -> tuple[Stepper, ...]:
            if place.depth >= MAX_DEPTH:
                raise LimitExceeded("max_fork_depth", MAX_DEPTH, where="alc.fork")
            return tuple(
                self._script(
                    session, record, Entry(name=name, ctx=fork.ctx), place.child(number, child), write
                )
                for child, name in enumerate(fork.strategies)
            )

        def known(query_id: str) -> Reply | None:
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
            primitives={
                **small_calls(calls, metrics, budget, now),
                **self._kept(calls, record, entry, place),
            },
            dirs=self._home.dirs if self._home is not None else {},
            find=place.packages.finder("trusted"),
            fork=fork,
            write=write,
            limits=self.limits,
            profile="trusted",
            parked=self._parking.add,
            unparked=self._parking.remove,
        )
        return LuaScript(entry, environment, self._threads, unwind=session.unwind)

    def _kept(self, calls: Calls, record: SessionRecord, entry: Entry, place: Place) -> Primitives:
        """What this script keeps in the home; a forked one has a namespace of its own."""
        if self._home is None:
            return homeless()
        seeds = record.seeds
        session = f"{record.started_at:x}-{seeds.strings:x}-{seeds.numbers:x}"
        if place.branch:
            namespace: object = f"fork-{session}-{place.branch.rstrip('-')}"
        else:
            namespace = namespace_of(entry.ctx)
        return self._home.primitives(calls, f"{session}/{place.branch}", namespace, self.clock.now_ms)

    def _unwind(self, script: Stepper) -> None:
        """One thread too many waits: the session of this one comes back from its record when it is answered."""
        if isinstance(script, LuaScript):
            script.unwind()


def _logger(session_id: str) -> Write:
    def write(level: str, text: str) -> None:
        log.log(_LEVELS.get(level, logging.INFO), "%s: %s", session_id, text)

    return write
