"""A class as a worker: its objects serve many attempts, one after the other."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from skep.errors import ConfigError
from skep.ids import WORKER, new_id
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.base import CancelToken, Completion, Ctx, JoinHandler, performing
from skep.workers.completion import error_text
from skep.workers.pool import PooledSpawner, PoolSize
from skep.workers.python.spawner import InProcSpawner
from skep.workers.threads import ThreadPool

log = logging.getLogger("skep.workers")


class ObjectWorker(JoinHandler):
    """Implements `Reusable`: an object whose `__call__` performs an attempt, as a worker function does.

    If it has `open` and `close`, they are called before its first and after its last attempt. An object whose
    attempt failed or was cancelled is not used again.
    """

    def __init__(self, served: Any, limits: Limits, threads: ThreadPool) -> None:
        super().__init__(new_id(WORKER), CancelToken(), Completion())
        self.served = served
        self._perform = performing(InProcSpawner(served.__call__, limits=limits, threads=threads))
        self._spoilt = False
        self._closing: asyncio.Task[None] | None = None
        self.cancel_token.on_cancel(lambda _: self._end())

    @property
    def usable(self) -> bool:
        """Whether it can be invoked again."""
        return not self._spoilt and self.cancel_token.reason is None

    async def invoke(self, ctx: Ctx) -> None:
        """See `Reusable`."""
        self._spoilt = True
        await self._perform(ctx)
        self._spoilt = ctx.cancel_token.reason is not None

    def _end(self) -> None:
        self._closing = asyncio.get_running_loop().create_task(self._close())

    async def _close(self) -> None:
        try:
            await _call(self.served, "close")
        except Exception as error:  # noqa: BLE001 - its attempts have ended: nobody's result changes
            log.warning("%s.close failed: %s", type(self.served).__name__, error_text(error))
        finally:
            self.completion.resolve()


def class_spawner(
    make: Callable[[], Any],
    size: PoolSize,
    *,
    limits: Limits = DEFAULT_LIMITS,
    threads: ThreadPool | None = None,
) -> PooledSpawner:
    """A spawner for the objects of a class.

    Args:
        make: the class; called without arguments, on the event loop.
        size: how many objects there are at most.
        limits: for values that go out.
        threads: where a sync `__call__` runs.

    Raises:
        ConfigError: not a class whose objects can be called.
    """
    pool = threads if threads is not None else ThreadPool(limits)
    if not isinstance(make, type) or not inspect.isfunction(inspect.getattr_static(make, "__call__", None)):
        name = getattr(make, "__qualname__", repr(make))
        raise ConfigError(
            f"{name} is not a class whose objects can be called",
            fix="define __call__(self, inv) in it, or leave persistent out",
        )

    async def start(_: Ctx) -> ObjectWorker:
        served = make()
        await _call(served, "open")
        return ObjectWorker(served, limits, pool)

    return PooledSpawner(start, size, runs_ahead=True, limits=limits)


async def _call(served: Any, name: str) -> None:
    """Call a method that need not exist, sync or async."""
    method = getattr(served, name, None)
    if method is not None:
        returned = method()
        if inspect.isawaitable(returned):
            await returned
