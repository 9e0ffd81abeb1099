"""One call of an async function, performed by whoever awaits it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from skep.errors import WorkerError, WorkerFailed
from skep.workers.base import Ctx, Outcome
from skep.workers.completion import CHANNEL_CLOSED, absorb_cancel, is_being_cancelled
from skep.workers.python.ending import FUNCTION, INPUT, RESULT, ending
from skep.workers.python.invocation import Invocation
from skep.workers.python.result import final_of

if TYPE_CHECKING:
    from skep.workers.python.spawner import InProcSpawner


class Performance(Struct, eq=False):
    """The function runs in the asyncio task of its performer, in a context of its own.

    Cancelling the token cancels that task; a function that goes on beyond the grace is left behind, and holds
    its performer up.
    """

    spawner: InProcSpawner
    ctx: Ctx
    told: Callable[[Outcome], object] | None = None
    """Hears how the function ended, before `perform` returns or raises."""
    left: Callable[[], object] | None = None
    """Hears that it was left behind."""
    task: asyncio.Task[Any] | None = None
    """Who performs it: set by `perform`, or before by whoever makes a task for that."""
    timer: asyncio.TimerHandle | None = None
    ended: bool = False

    async def run(self) -> None:
        """As `perform`, for who is told how the function ended."""
        with contextlib.suppress(WorkerError):
            await self.perform()

    async def perform(self) -> None:
        """Perform the function.

        Raises:
            WorkerFailed, WorkerCancelled: it ended so. Nothing that it raises itself comes out.
            asyncio.CancelledError: the performer was cancelled, not the function.
        """
        task = self.task = asyncio.current_task()
        asked = task.cancelling() if task is not None else 0
        outcome = await self._isolated()
        self.ended = True
        if self.timer is not None:
            self.timer.cancel()
        if self.told is not None:
            self.told(outcome)
        if task is not None and task.cancelling() > asked:
            if self.ctx.cancel_token.reason is None and outcome is not None:
                raise asyncio.CancelledError
            # Meant for the function, by its token or by itself.
            await absorb_cancel(asked)
        if outcome is not None:
            raise outcome

    def end(self) -> None:
        """From here on a cancel changes nothing. For a task that was cancelled before its first turn."""
        self.ended = True
        if self.timer is not None:
            self.timer.cancel()

    def cancel(self, _reason: str) -> None:
        """The token was cancelled."""
        if self.task is None or self.ended:
            return
        loop = asyncio.get_running_loop()
        if self.task is asyncio.current_task():
            # It cancels itself: that is for its next wait, not for what its performer does after it.
            loop.call_soon(self._cancel_task)
        else:
            self.task.cancel()
        self.timer = loop.call_later(self.ctx.grace, self._leave_behind)

    async def _isolated(self) -> Outcome:
        """Call the function in a copy of this task's context, so that what it sets there stays its own."""
        call, context = self._call(), contextvars.copy_context()
        try:
            waited = context.run(call.send, None)
        except StopIteration as ended:  # it did not wait for anything, as most do
            return ended.value
        return await _the_rest(call, context, waited)

    async def _call(self) -> Outcome:
        spawner, ctx = self.spawner, self.ctx
        cancel, stage = ctx.cancel_token, INPUT
        try:
            invocation = Invocation(ctx, spawner.limits)
            arguments = spawner.parameters.fill(invocation)
            stage = FUNCTION
            returned = await spawner.function(**arguments)
            stage = RESULT
            if cancel.reason is not None:
                return ending(cancel)
            if returned is not None or not invocation.said_final:
                ctx.channel.deliver(final_of(returned, spawner.limits))
        except BaseException as error:  # noqa: BLE001 - nothing that a worker raises may reach the event loop
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                return ending(cancel) or WorkerFailed(CHANNEL_CLOSED)
            return ending(cancel, stage, error)
        return None

    def _cancel_task(self) -> None:
        if self.task is not None and not self.ended:
            self.task.cancel()

    def _leave_behind(self) -> None:
        if self.task is not None:
            _left_behind.add(self.task)
            self.task.add_done_callback(_left_behind.discard)
        self.spawner.left_behind(self.ctx)
        if self.left is not None:
            self.left()


@coroutine
def _the_rest(
    call: Coroutine[Any, Any, Outcome], context: contextvars.Context, waited: Any
) -> Generator[Any, Any, Outcome]:
    """Go on with a coroutine in its context; `waited` is what it waits for first."""
    try:
        while True:
            try:
                sent = yield waited
            except BaseException as error:  # noqa: BLE001 - handed on to where the function waits
                waited = context.run(call.throw, error)
            else:
                waited = context.run(call.send, sent)
    except StopIteration as ended:
        return ended.value


_left_behind: set[asyncio.Task[None]] = set()
"""The event loop refers only weakly to its tasks."""
