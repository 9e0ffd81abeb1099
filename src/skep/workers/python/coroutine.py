"""An async function as a worker: performed by its joiner, or in a task of its own when nobody joins at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from skep.errors import WorkerFailed
from skep.ids import WORKER, new_id
from skep.workers.base import Completion, Ctx, JoinHandler, Outcome
from skep.workers.completion import CHANNEL_CLOSED
from skep.workers.python.ending import ending
from skep.workers.python.performance import Performance

if TYPE_CHECKING:
    from skep.workers.python.spawner import InProcSpawner


class CoroutineWorker(JoinHandler):
    """An asyncio task and its wake-ups cost more than most steps.

    So a worker that is joined in the turn in which it was spawned is performed by its joiner; any other in the
    next turn, in a task of its own.
    """

    __slots__ = ("_begun", "_performance")

    def __init__(self, spawner: InProcSpawner, ctx: Ctx) -> None:
        super().__init__(new_id(WORKER), ctx.cancel_token, Completion())
        self._performance = Performance(spawner, ctx, self.completion.resolve, self._leave_behind)
        self._begun = False
        ctx.cancel_token.on_cancel(self._cancel)
        spawner.starter.soon(self)

    async def join(self) -> None:
        """Wait for the end; see `Worker.join`."""
        self.claim()
        outcome = await self.outcome()
        if outcome is not None:
            raise outcome

    async def outcome(self) -> Outcome:
        """Perform the function as part of who waits, unless it has begun already."""
        if not self._begun and not self.completion.resolved:
            self._begun = True
            await self._performance.run()
        return await self.completion.wait()

    def start(self) -> None:
        """Begin in a task of its own, unless the function is being performed or has been."""
        if not self._begun and not self.completion.resolved:
            self._begun = True
            task = self._performance.task = asyncio.get_running_loop().create_task(self._performance.run())
            task.add_done_callback(self._ended)

    def _cancel(self, reason: str) -> None:
        if self._begun:
            self._performance.cancel(reason)
        else:
            self._ended()

    def _ended(self, _: object = None) -> None:
        """A task that was cancelled before its first turn has not told how it ended."""
        self._performance.end()
        self.completion.resolve(ending(self.cancel_token) or WorkerFailed(CHANNEL_CLOSED))

    def _leave_behind(self) -> None:
        self.left_behind = True
        self.completion.resolve(ending(self.cancel_token))


class Starter:
    """Starts in the loop's next turn what nobody has joined by then: one callback for all of a turn."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers: list[CoroutineWorker] = []

    def soon(self, worker: CoroutineWorker) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._workers = loop, []
        if not self._workers:
            loop.call_soon(self._start)
        self._workers.append(worker)

    def _start(self) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.start()
