"""An async function at work, in an asyncio task of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from skep.errors import WorkerFailed
from skep.ids import WORKER, new_id
from skep.workers.base import Completion, Ctx, JoinHandler
from skep.workers.completion import CHANNEL_CLOSED, is_being_cancelled
from skep.workers.python.ending import FUNCTION, INPUT, RESULT, ending
from skep.workers.python.invocation import Invocation
from skep.workers.python.result import final_of

if TYPE_CHECKING:
    from skep.workers.python.spawner import InProcSpawner


class CoroutineWorker(JoinHandler):
    """Cancelling the token cancels the task; one that goes on beyond the grace is left behind."""

    __slots__ = ("_ctx", "_spawner", "_task")

    def __init__(self, spawner: InProcSpawner, ctx: Ctx) -> None:
        super().__init__(new_id(WORKER), ctx.cancel_token, Completion())
        self._spawner = spawner
        self._ctx = ctx
        self._task = asyncio.get_running_loop().create_task(self._perform())
        ctx.cancel_token.on_cancel(self._cancel)

    async def _perform(self) -> None:
        spawner, ctx = self._spawner, self._ctx
        stage = INPUT
        try:
            invocation = Invocation(ctx, spawner.limits)
            arguments = spawner.parameters.fill(invocation)
            stage = FUNCTION
            returned = await spawner.function(**arguments)
            stage = RESULT
            if ctx.cancel_token.reason is None and (returned is not None or not invocation.said_final):
                ctx.channel.emit(final_of(returned, spawner.limits))
            self.completion.resolve(ending(ctx.cancel_token))
        except BaseException as error:  # noqa: BLE001 - nothing that a worker raises may reach the event loop
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                self._ended()
            else:
                self.completion.resolve(ending(ctx.cancel_token, stage, error))

    def _cancel(self, _reason: str) -> None:
        if self.completion.resolved:
            return
        self._task.add_done_callback(self._ended)
        self._task.cancel()
        timer = asyncio.get_running_loop().call_later(self._ctx.grace, self._leave_behind)
        self.completion.on_resolved(timer.cancel)

    def _ended(self, _: object = None) -> None:
        """The task was cancelled, maybe before its first turn, when it never enters `_perform`."""
        self.completion.resolve(ending(self.cancel_token) or WorkerFailed(CHANNEL_CLOSED))

    def _leave_behind(self) -> None:
        _left_behind.add(self._task)
        self._task.add_done_callback(_left_behind.discard)
        self._spawner.left_behind(self._ctx)
        self.completion.resolve(ending(self.cancel_token))


_left_behind: set[asyncio.Task[None]] = set()
"""The event loop refers only weakly to its tasks."""
