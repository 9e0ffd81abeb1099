"""A line in which attempts wait for their turn, first come first served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from skep.errors import LimitExceeded, WorkerCancelled
from skep.workers.cancel import CancelToken

Need = TypeVar("Need")
"""What a waiter waits for; whoever owns the line decides by it."""


class Line(Generic[Need]):
    """Waiters in order of arrival. No thread and no asyncio task is held by one.

    Args:
        name: of the limit, for the error at it.
        limit: how many may wait at once.
        moved: called when somebody left without having been let in: the next one may fit now.
    """

    def __init__(self, name: str, limit: int, moved: Callable[[], object]) -> None:
        self._name = name
        self._limit = limit
        self._moved = moved
        self._waiting: dict[asyncio.Future[None], Need] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def first(self) -> Need | None:
        """What the one who has waited longest needs; `None` when nobody waits."""
        while self._waiting:
            turn, need = next(iter(self._waiting.items()))
            if not turn.cancelled():
                return need
            del self._waiting[turn]  # its task was cancelled and has not run since
        return None

    def let_in(self) -> None:
        """The first one's turn has come; what it needs is its own from now on."""
        turn = next(iter(self._waiting))
        del self._waiting[turn]
        turn.set_result(None)

    def refuse(self, error: Exception) -> None:
        """The first one's turn will never come."""
        turn = next(iter(self._waiting))
        del self._waiting[turn]
        turn.set_exception(error)

    async def wait(self, need: Need, cancel: CancelToken, give_back: Callable[[], object]) -> None:
        """Return when `let_in` has come to this waiter.

        `give_back` is called when its turn came and nobody was there any more to take it.

        Raises:
            LimitExceeded: too many wait.
            WorkerCancelled: `cancel` was cancelled, for a timeout also; the place in the line is free at once.
        """
        if cancel.reason is not None:
            raise WorkerCancelled(cancel.reason)
        if len(self._waiting) >= self._limit:
            raise LimitExceeded(
                self._name, self._limit, fix="start fewer attempts at once, or raise the limit"
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = need
        cancel.on_cancel(lambda reason: self._leave(turn, WorkerCancelled(reason)))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._drop(turn)
            elif turn.exception() is None:
                give_back()
            raise

    def _leave(self, turn: asyncio.Future[None], error: WorkerCancelled) -> None:
        if turn in self._waiting:
            turn.set_exception(error)
            self._drop(turn)

    def _drop(self, turn: asyncio.Future[None]) -> None:
        if self._waiting.pop(turn, _GONE) is not _GONE:
            self._moved()


_GONE = object()
