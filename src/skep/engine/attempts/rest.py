"""Waiting until a task is at rest, for any number of pollers: one looks and flushes, all are told at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skep.core.tasks import SETTLED, TaskState

if TYPE_CHECKING:
    from skep.engine.background import Background
    from skep.engine.ledger import Ledger


class Rests:
    """Who polls which task; nothing is kept of a task that has come to rest."""

    def __init__(self, ledger: Ledger, background: Background) -> None:
        self._ledger = ledger
        self._background = background
        self._watched: dict[str, _Watched] = {}

    async def of(self, task: TaskState, patience: float) -> TaskState:
        """The task once it has settled, is suspended or was dropped, and that is durable.

        Raises:
            PollTimeout: `patience` seconds are over.
        """
        watched = self._watched.get(task.id)
        if watched is None:
            watched = self._watched[task.id] = _Watched(task)
            self._background.run(self._watch(watched))
        await self._ledger.waiters.until(watched.key, lambda: watched.rested is not None, patience)
        assert watched.rested is not None  # noqa: S101 - just seen
        return watched.rested.snapshot()

    async def _watch(self, watched: _Watched) -> None:
        task, tasks = watched.task, self._ledger.state.tasks
        try:
            await self._ledger.waiters.until(
                task.id, lambda: is_at_rest(task) or tasks.get(task.id) is not task
            )
            rested = task.snapshot()
            await self._ledger.flushed()
            watched.rested = rested
        finally:
            del self._watched[task.id]
        self._ledger.waiters.wake(watched.key)


class _Watched:
    """A task that somebody polls; `rested` is what all of them get."""

    __slots__ = ("key", "rested", "task")

    def __init__(self, task: TaskState) -> None:
        self.task = task
        self.key = f"rest of {task.id}"
        self.rested: TaskState | None = None


def is_at_rest(task: TaskState) -> bool:
    """Whether nothing more comes of the task by itself."""
    return task.status == "suspended" or task.status in SETTLED
