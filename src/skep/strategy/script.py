"""A strategy in its VM: it runs on a thread until it asks, forks or ends (see `docs/design/strategies.md`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Any

import msgspec
from msgspec import Struct

from skep import values
from skep.errors import JournalFailed, LuaError, ReplayDiverged, SkepError, WorkerCancelled
from skep.lua.coroutine import LuaCoroutine, Returned, Yielded
from skep.lua.runner import Script
from skep.lua.vm import LuaVM
from skep.strategy.environment import Environment, Fork
from skep.strategy.prelude import part, prelude
from skep.strategy.primitives.asking import Asking
from skep.strategy.primitives.text import chunk, match_bool, match_enum
from skep.strategy.queries import Answer, Reply
from skep.strategy.steps import Asked, Ended, Forked, Input, Last, Raised, Step
from skep.workers.cancel import CancelToken
from skep.workers.threads import Call as ThreadCall
from skep.workers.threads import ThreadPool

_RUN_CODE = Script("return _run_code(_source, _name, _moment)", "strategy")
_RUN_PACKAGE = Script("return _run_strategy(_name, _moment)", "strategy")
_FATAL = (ReplayDiverged, JournalFailed)
"""What ends a script whatever it catches."""


class Entry(Struct, frozen=True, kw_only=True):
    """What runs: the source of a chunk, or a package by its name."""

    source: str | None = None
    name: str = "strategy"
    ctx: Any = None


class _Stop(BaseException):
    """Ends the script from inside a host function; no `pcall` catches it."""

    def __init__(self, error: SkepError) -> None:
        super().__init__(str(error))
        self.error = error


class LuaScript:
    """One evaluation of a strategy. Its VM lives on whatever thread of `threads` the step gets, one at a time.

    Where Lua cannot yield, the thread itself waits for the answers: it is parked, and the pool replaces it.
    """

    def __init__(
        self, entry: Entry, environment: Environment, threads: ThreadPool, unwind: Callable[[], None]
    ) -> None:
        self._entry = entry
        self._env = environment
        self._threads = threads
        self._unwind = unwind
        self._cancel = CancelToken()
        self._vm: LuaVM | None = None
        self._coroutine: LuaCoroutine | None = None
        self._asking = Asking(
            environment.calls, environment.metrics, environment.budget, environment.now, environment.prefix
        )
        self._forks = 0
        self._waits_for: Asked | Forked | None = None
        self._names: tuple[str, ...] = ()
        self._parked: SimpleQueue[Input] | None = None
        self._on_thread: ThreadCall | None = None
        self._outcome: asyncio.Future[Step] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- on the event loop ---------------------------------------------------------------------

    async def step(self, given: Input) -> Step:
        """Run to the next question, fork or end; see `Stepper`."""
        self._loop = asyncio.get_running_loop()
        outcome = self._outcome = self._loop.create_future()
        if self._parked is not None:
            self._parked.put(given)
        else:
            self._on_thread = self._threads.submit(lambda: self._run(given))
        return await outcome

    async def close(self) -> None:
        """End the script and drop its VM; its thread finds out within a millisecond of its own time."""
        self._cancel.cancel("closed")
        if self._parked is not None:
            self._parked.put(None)
        elif self._vm is not None and (self._outcome is None or self._outcome.done()):
            self._vm.close()

    def unwind(self) -> None:
        """Give a thread that waits back: the session is evicted. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._unwind)

    # -- on a thread ---------------------------------------------------------------------------

    def _run(self, given: Input) -> None:
        try:
            step = self._go(given)
        except _Stop as stop:
            step = Raised(str(stop.error), stop.error.code)
        except SkepError as error:
            step = Raised(_told(error), error.code)
        except BaseException as error:  # noqa: BLE001 - a fault of ours ends this script and nothing else
            step = Raised(f"{type(error).__name__}: {error}", "E-INTERNAL")
        if isinstance(step, Last):
            self._drop()
        self._announce(step)

    def _go(self, given: Input) -> Step:
        coroutine = self._coroutine
        state = coroutine.resume(self._replies(given), self._cancel) if coroutine else self._begin()
        if isinstance(state, Yielded):
            if self._waits_for is None:
                raise LuaError("the script yields, and nobody resumes it", script=self._entry.name)
            return self._waits_for
        return Ended(msgspec.json.decode(state.value))

    def _begin(self) -> Yielded | Returned:
        env = self._env
        vm = self._vm = LuaVM(
            env.limits,
            env.profile,
            roots=env.find,
            hash_seed=env.seeds.strings,
            random_seed=env.seeds.numbers,
            write=lambda text: env.write("info", text.rstrip("\n")),
        )
        for name, function in self._host().items():
            vm.define(f"_host.{name}", function)
        vm.run(
            prelude(),
            {"_started": env.started_at, "_random_seed": env.seeds.numbers, "_dirs": dict(env.dirs)},
        )
        entry = self._entry
        variables: dict[str, Any] = {
            "ctx": dict[str, Any]() if entry.ctx is None else entry.ctx,
            "_name": entry.name,
            "_moment": env.started_at,
        }
        if entry.source is not None:
            variables["_source"] = entry.source
        script = _RUN_CODE if entry.source is not None else _RUN_PACKAGE
        self._coroutine = vm.coroutine(script)
        return self._coroutine.start(variables, self._cancel)

    def _host(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "ask": self._guarded(self._ask),
            "fork": self._guarded(self._fork),
            "wait": self._guarded(self._wait),
            "call": self._guarded(self._call),
            "decode": msgspec.json.decode,
            "log": lambda said: self._env.write(said[0], said[1]),
            "match_enum": lambda given: match_enum(*given),
            "match_bool": match_bool,
            "chunk": lambda given: chunk(*given),
            "part": part,
        }

    def _guarded(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def call(value: Any) -> Any:
            try:
                return function(value)
            except _FATAL as error:
                raise _Stop(error) from error

        return call

    # -- what the script wants -----------------------------------------------------------------

    def _ask(self, text: str) -> Any:
        queries = tuple(self._asking.ask(text))
        self._waits_for = Asked(queries)
        replies = [reply for query in queries if (reply := self._env.known(query.id)) is not None]
        if len(replies) < len(queries):
            return None
        metrics, now = self._env.metrics, self._env.now()
        for query, reply in zip(queries, replies, strict=True):
            metrics.answered(query.id, reply, now)
        metrics.resumed()
        return self._replies(replies)

    def _fork(self, text: str) -> Any:
        fork = msgspec.json.decode(text, type=Fork)
        self._env.calls.mark("fork", values.digest(text.encode()))
        self._forks += 1
        self._names = fork.strategies
        self._waits_for = Forked(self._env.fork(self._forks, fork))
        return None

    def _call(self, text: str) -> Any:
        name, arguments = msgspec.json.decode(text)
        return self._env.primitives[name](*arguments)

    def _wait(self, _: Any) -> Any:
        waits_for = self._waits_for
        assert waits_for is not None  # noqa: S101 - Lua waits for what it has just asked
        parked: SimpleQueue[Input] = SimpleQueue()
        self._parked = parked
        if self._on_thread is not None:
            self._threads.abandon(self._on_thread)
            self._on_thread = None
        began = time.monotonic()
        self._env.parked(self)
        self._announce(waits_for)
        given = parked.get()
        self._parked = None
        self._env.unparked(self)
        if self._cancel.cancelled or given is None:
            raise _Stop(WorkerCancelled("the session was closed"))
        if self._vm is not None:
            self._vm.not_counted(time.monotonic() - began)
        return self._replies(given)

    def _replies(self, given: Input) -> dict[str, Any]:
        """What Lua goes on with, and at which moment."""
        waits_for, self._waits_for = self._waits_for, None
        items: Sequence[Any] = given or ()
        if isinstance(waits_for, Forked):
            replies = [_entry(name, end) for name, end in zip(self._names, items, strict=True)]
        else:
            replies = [_text(reply) for reply in items]
        moment = self._env.calls.reply("moment", None, self._env.now)
        return {"replies": replies, "at": moment}

    # -- back to the loop ----------------------------------------------------------------------

    def _announce(self, step: Step) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_settle, self._outcome, step)

    def _drop(self) -> None:
        if self._vm is not None:
            self._vm.close()


def _settle(outcome: asyncio.Future[Step] | None, step: Step) -> None:
    if outcome is not None and not outcome.done():
        outcome.set_result(step)


def _text(reply: Reply) -> dict[str, str]:
    return {"text": reply.text} if isinstance(reply, Answer) else {"error": reply.message}


def _entry(strategy: str, end: Last) -> dict[str, Any]:
    if isinstance(end, Ended):
        return {"strategy": strategy, "ok": True, "result": end.value}
    return {"strategy": strategy, "ok": False, "error": end.error}


def _told(error: SkepError) -> str:
    """The published form: an error of Lua says so, and shows where it happened."""
    if isinstance(error, LuaError):
        return f"lua error: {error}"
    return str(error)
