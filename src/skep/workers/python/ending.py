"""How a worker function's end is told."""

from __future__ import annotations

import asyncio

from skep.errors import WorkerCancelled
from skep.workers.base import CancelToken, Outcome, error_text
from skep.workers.completion import failed

INPUT = "worker input: "
FUNCTION = "worker fn returned error: "
RESULT = "worker result: "


def ending(cancel: CancelToken, stage: str = "", error: BaseException | None = None) -> Outcome:
    """The outcome of a function that returned, or raised `error` at `stage`.

    Once cancelled it is cancelled, whatever it did then; an error of its own is told along.
    """
    if cancel.reason is None:
        return None if error is None else failed(error, stage)
    if error is None or isinstance(error, asyncio.CancelledError):
        return WorkerCancelled(cancel.reason)
    cancelled = WorkerCancelled(f"{cancel.reason}, then {stage}{error_text(error)}")
    cancelled.__cause__ = error
    return cancelled
