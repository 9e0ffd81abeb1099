"""`StrategySpawner`: an attempt is one strategy session, driven by the answers to its Questions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from msgspec import Struct, structs

from skep.clock import Clock
from skep.config import home_path
from skep.core.outputs import Artifact, Progress, final, inline
from skep.errors import AttemptEnded, WorkerCancelled, WorkerFailed
from skep.ids import WORKER, new_id
from skep.lua.limits import Limits
from skep.strategy.answerers.question import Question
from skep.strategy.budget import Budget, read_budget
from skep.strategy.outcomes import Completed, End, Failed
from skep.strategy.packages.resolution import Packages
from skep.strategy.runtime import Place, Runtime
from skep.strategy.script import Entry
from skep.values import type_of
from skep.workers.base import Completion, Ctx, JoinHandler, Outcome, Worker
from skep.workers.completion import failed
from skep.workers.strategy.record import AttemptRecord
from skep.workers.strategy.spec import StrategySpec

MAX_NOTE = 1_000


class Plan(Struct, frozen=True, kw_only=True):
    """What a spawner starts, the same for each attempt."""

    name: str
    source: str | None = None
    roots: tuple[Path, ...] = ()
    audience: tuple[str, ...] = ("senior",)
    deadline: float | None = None
    budget: Budget | None = None

    @classmethod
    def of(cls, agent: str, spec: StrategySpec, roots: tuple[Path, ...]) -> Plan:
        """What the spec of an agent says."""
        return cls(
            name=spec.strategy or agent,
            source=spec.source,
            roots=roots,
            audience=spec.audience,
            deadline=spec.deadline,
            budget=Budget(**structs.asdict(spec.budget)) if spec.budget is not None else None,
        )


class StrategySpawner:
    """Runs a strategy for each attempt; after an interruption it goes on where it stood, from its record.

    The step's input is `ctx` (one that is no object is its `task`); what `run` returns as `ctx.result` is the result,
    else all that it returns.
    """

    runs_ahead = True

    def __init__(self, plan: Plan, runtime: Runtime) -> None:
        self._plan = plan
        self._runtime = runtime

    async def spawn(self, ctx: Ctx) -> Worker:
        """Begin the session; it ends with the attempt."""
        ended = Completion()
        worker = JoinHandler(new_id(WORKER), ctx.cancel_token, ended)
        if ctx.cancel_token.reason is not None:
            ended.resolve(WorkerCancelled(f"cancelled before the start: {ctx.cancel_token.reason}"))
            return worker
        running = asyncio.get_running_loop().create_task(self._run(ctx))
        running.add_done_callback(lambda done: ended.resolve(_outcome(done, ctx.cancel_token.reason)))
        ctx.cancel_token.on_cancel(lambda _: running.cancel())
        return worker

    async def _run(self, ctx: Ctx) -> None:
        plan, runtime = self._plan, self._runtime
        given: Any = ctx.input if type_of(ctx.input) is dict else {"task": ctx.input}
        record = await AttemptRecord.load(ctx.channel, runtime.clock)
        session = runtime.session(
            f"{ctx.task_id}-{ctx.attempt}",
            Entry(source=plan.source, name=plan.name, ctx=given),
            record,
            Place(Packages(plan.roots, home=home_path())),
            strategy=plan.name,
            budget=read_budget(given, plan.budget),
            write=_Notes(ctx).write,
        )
        answer = Question(ctx.channel, audience=plan.audience, deadline=plan.deadline)
        try:
            _deliver(ctx, await session.run(answer))
        finally:
            await session.cancel(ctx.cancel_token.reason or "ended")


class _Notes:
    """What the script logs, as progress of the attempt."""

    def __init__(self, ctx: Ctx) -> None:
        self._channel = ctx.channel
        self._loop = asyncio.get_running_loop()

    def write(self, level: str, text: str) -> None:
        """From the thread of the VM."""
        self._loop.call_soon_threadsafe(self._emit, Progress(level, text[:MAX_NOTE]))

    def _emit(self, event: Progress) -> None:
        try:
            self._channel.emit(event)
        except AttemptEnded:
            return  # the script had more to say than its attempt had time


def _deliver(ctx: Ctx, end: End) -> None:
    if isinstance(end, Failed):
        raise WorkerFailed(end.error)
    if not isinstance(end, Completed):
        raise WorkerCancelled(end.reason)
    ctx.channel.emit(Artifact("strategy_stats", inline(end.stats)))
    ctx.channel.emit(Artifact("usage", inline({"tokens": end.stats["auto"]["total_tokens"]["tokens"]})))
    ctx.channel.deliver(final(_result(end.result)))


def _result(returned: Any) -> Any:
    fields = cast("dict[str, Any]", returned) if isinstance(returned, dict) else {}
    return fields.get("result", returned)


def _outcome(running: asyncio.Task[None], reason: str | None) -> Outcome:
    error = running.exception() if not running.cancelled() else None
    if running.cancelled() or reason is not None:
        return WorkerCancelled(reason or "the strategy was cancelled")
    return failed(error) if error is not None else None


def runtime_with(clock: Clock) -> Runtime:
    """What the strategies of one engine share."""
    return Runtime(clock, Limits())
