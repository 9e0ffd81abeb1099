"""How a worker ended, told once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from skep.errors import WorkerError, WorkerFailed
from skep.values import clean_text

Outcome = WorkerError | None
"""How a worker ended: `None`, `WorkerFailed` or `WorkerCancelled`."""

CHANNEL_CLOSED = "worker completion channel closed"

MAX_ERROR_TEXT = 4_000
"""Characters of what an error says; a little less than a record keeps, so that what is put before it fits."""


class Completion:
    """A worker's end: resolved once by its spawner, waited for by whoever joins.

    Unlike a future it is not cancelled with its waiter, and it wakes the waiter without a detour over a
    shield. Everything here belongs to the event loop.
    """

    __slots__ = ("_callbacks", "_waiters", "outcome", "resolved")

    def __init__(self) -> None:
        self.resolved = False
        self.outcome: Outcome = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._callbacks: list[Callable[[], object]] | None = None

    @classmethod
    def of(cls, future: asyncio.Future[Outcome]) -> Completion:
        """The completion that follows a future or task.

        What it raises is the failure; if it is cancelled, that is
        `WorkerFailed("worker completion channel closed")`.
        """
        completion = cls()
        if future.done():
            completion.resolve(_outcome_of(future))
        else:
            future.add_done_callback(lambda done: completion.resolve(_outcome_of(done)))
        return completion

    def resolve(self, outcome: Outcome = None) -> bool:
        """Say how the worker ended; later calls change nothing and return `False`."""
        if self.resolved:
            return False
        self.resolved = True
        self.outcome = outcome
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()
        return True

    def on_resolved(self, callback: Callable[[], object]) -> None:
        """Call back when resolved; in the loop's next turn if that is past."""
        if self.resolved:
            asyncio.get_running_loop().call_soon(callback)
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    async def wait(self) -> Outcome:
        """Wait for the end. Cancelling the waiter changes nothing here."""
        if not self.resolved:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = [waiter]
            else:
                self._waiters.append(waiter)
            await waiter
        return self.outcome


def _outcome_of(future: asyncio.Future[Outcome]) -> Outcome:
    if future.cancelled():
        return WorkerFailed(CHANNEL_CLOSED)
    error = future.exception()
    if error is not None:
        return error if isinstance(error, WorkerError) else failed(error)
    outcome: Any = future.result()
    if outcome is None or isinstance(outcome, WorkerError):
        return outcome
    kind = type(outcome).__name__
    return WorkerFailed(f"worker completion resolved to {kind}, neither None nor a WorkerError")


def failed(error: BaseException, where: str = "") -> WorkerFailed:
    """`WorkerFailed` for what a worker or layer raised; the original is its `__cause__`."""
    failure = WorkerFailed(f"{where}{error_text(error)}")
    failure.__cause__ = error
    return failure


def error_text(error: BaseException) -> str:
    """`ValueError: bad`: what an error is called and what it says, whatever code tells it that; cut when long."""
    name = type(error).__name__
    try:
        text = clean_text(str.__str__(str(error)), MAX_ERROR_TEXT)
    except BaseException as another:  # noqa: BLE001 - a text that cannot be had must not hide the failure
        return f"{name} (its text cannot be had: str() raised {type(another).__name__})"
    return f"{name}: {text}" if text else name


def is_being_cancelled() -> bool:
    """Whether a `CancelledError` was meant for the current task, not raised by the code that it runs."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def absorb_cancel(asked: int = 0) -> None:
    """Take back what cancels the current task beyond `asked` requests, one that is yet to come included."""
    task = asyncio.current_task()
    if task is None or task.cancelling() <= asked:
        return
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    while task.cancelling() > asked:
        task.uncancel()
