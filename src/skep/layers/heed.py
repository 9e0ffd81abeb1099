"""Waiting for somebody outside without outliving the attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from skep.errors import WorkerCancelled
from skep.workers.cancel import CancelToken

T = TypeVar("T")


async def heeding(cancel: CancelToken, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns or raises; it is cancelled when the attempt is told to end.

    Raises:
        WorkerCancelled: the attempt was told to end.
    """
    if cancel.reason is not None:
        work.close()
        raise WorkerCancelled(cancel.reason)
    task = asyncio.get_running_loop().create_task(work)
    cancel.on_cancel(lambda _: task.cancel())
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        raise
    if cancel.reason is not None and (task.cancelled() or task.exception() is not None):
        raise WorkerCancelled(cancel.reason)
    if task.cancelled():
        raise WorkerCancelled("it cancelled itself")
    return task.result()
