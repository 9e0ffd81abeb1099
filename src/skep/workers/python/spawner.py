"""`InProcSpawner`: a Python function as a worker."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from skep.errors import ConfigError, WorkerCancelled
from skep.ids import WORKER, new_id
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.base import Completion, Ctx, JoinHandler, Worker
from skep.workers.python.coroutine import CoroutineWorker, Starter
from skep.workers.python.parameters import Parameters
from skep.workers.python.performance import Performance
from skep.workers.python.thread import ThreadWorker
from skep.workers.threads import ThreadPool

log = logging.getLogger("skep.workers")


class InProcSpawner:
    """Starts one function: `async def f(inv: Invocation)`, or a plain typed function filled from the input.

    What it returns is emitted as a `Final` before the worker ends; an exception is
    `WorkerFailed("worker fn returned error: ValueError: bad")` without one. A function that does not end
    within the grace after it was cancelled is left behind and counted in `abandoned`.

    Args:
        function: an async one runs in its joiner's asyncio task, or in its own when not joined at once; a sync
            one in a thread.
        limits: for the values that go out, and for `threads`.
        threads: where sync functions run; by default a pool of this spawner's own.

    Raises:
        ConfigError: a function whose parameters an input cannot fill.
    """

    runs_ahead = True

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        limits: Limits = DEFAULT_LIMITS,
        threads: ThreadPool | None = None,
    ) -> None:
        _check_callable(function)
        self.function = function
        self.name: str = getattr(function, "__qualname__", type(function).__name__)
        self.parameters = Parameters(function)
        self.limits = limits
        self.abandoned = 0
        self.is_async = _is_async(function)
        self.starter = Starter()
        self._threads = threads if threads is not None else ThreadPool(limits)

    async def spawn(self, ctx: Ctx) -> Worker:
        """Start the function.

        Raises:
            LimitExceeded: too many sync functions were left behind, or wait for a thread.
            SpawnError: no thread to be had.
        """
        if ctx.cancel_token.reason is not None:
            ended = Completion()
            ended.resolve(_too_late(ctx))
            return JoinHandler(new_id(WORKER), ctx.cancel_token, ended)
        if self.is_async:
            return CoroutineWorker(self, ctx)
        return ThreadWorker(self, ctx, self._threads)

    def perform(self, ctx: Ctx) -> Coroutine[Any, Any, None]:
        """See `Performer`. An async function needs no worker for that."""
        if not self.is_async:
            return self._join(ctx)
        if ctx.cancel_token.reason is not None:
            raise _too_late(ctx)
        performance = Performance(self, ctx)
        ctx.cancel_token.on_cancel(performance.cancel)
        return performance.perform()

    async def _join(self, ctx: Ctx) -> None:
        worker = await self.spawn(ctx)
        await worker.join()

    def left_behind(self, ctx: Ctx) -> None:
        """Count and log a function that ignored its cancellation."""
        self.abandoned += 1
        log.warning("%s of agent %s ignored its cancellation; it was left behind", self.name, ctx.agent)


def _too_late(ctx: Ctx) -> WorkerCancelled:
    return WorkerCancelled(f"cancelled before the start: {ctx.cancel_token.reason}")


def _check_callable(function: Any) -> None:
    if not callable(function) or isinstance(function, type):
        what = f"class {function.__name__}" if isinstance(function, type) else type(function).__name__
        raise ConfigError(f"{what} is not a function", fix="register a function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"{function.__qualname__} is a generator",
            fix="return the result, and hand pieces on with inv.partial(chunk)",
        )


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
