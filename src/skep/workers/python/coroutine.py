"""An async function at work: in its joiner's asyncio task, or in one of its own when nobody joins at once."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

from skep.errors import WorkerFailed
from skep.ids import WORKER, new_id
from skep.workers.base import Completion, Ctx, JoinHandler, Outcome
from skep.workers.completion import CHANNEL_CLOSED, absorb_cancel, is_being_cancelled
from skep.workers.python.ending import FUNCTION, INPUT, RESULT, ending
from skep.workers.python.invocation import Invocation
from skep.workers.python.result import final_of

if TYPE_CHECKING:
    from skep.workers.python.spawner import InProcSpawner


class CoroutineWorker(JoinHandler):
    """Cancelling the token cancels the task; a function that goes on beyond the grace is left behind.

    An asyncio task and its wake-ups cost more than most steps, so a worker that is joined in the turn in
    which it was spawned runs as part of its joiner, in a context of its own; any other in the next turn.
    """

    __slots__ = ("_ctx", "_spawner", "_task")

    def __init__(self, spawner: InProcSpawner, ctx: Ctx) -> None:
        super().__init__(new_id(WORKER), ctx.cancel_token, Completion())
        self._spawner = spawner
        self._ctx = ctx
        self._task: asyncio.Task[Any] | None = None
        ctx.cancel_token.on_cancel(self._cancel)
        spawner.starter.soon(self)

    async def join(self) -> None:
        """Wait for the end; see `Worker.join`."""
        self.claim()
        if self._task is None and not self.completion.resolved:
            await self._run_here()
        if not self.completion.resolved:
            await self.completion.wait()
        if self.completion.outcome is not None:
            raise self.completion.outcome

    async def outcome(self) -> Outcome:
        """Perform the function as part of who waits, unless it has begun already."""
        if self._task is None and not self.completion.resolved:
            await self._run_here()
        return await self.completion.wait()

    async def _run_here(self) -> None:
        task = self._task = asyncio.current_task()
        asked = task.cancelling() if task is not None else 0
        await _InContext(self._perform())
        if task is None or task.cancelling() <= asked:
            return
        if self.cancel_token.reason is None and self.completion.outcome is not None:
            raise asyncio.CancelledError
        # Meant for the function, by its token or by itself, and not for its joiner.
        await absorb_cancel(asked)

    def start(self) -> None:
        """Begin in a task of its own, unless the function is being performed or has been."""
        if self._task is None and not self.completion.resolved:
            self._task = asyncio.get_running_loop().create_task(self._perform())
            self._task.add_done_callback(self._ended)

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
                ctx.channel.deliver(final_of(returned, spawner.limits))
            self.completion.resolve(ending(ctx.cancel_token) if ctx.cancel_token.reason is not None else None)
        except BaseException as error:  # noqa: BLE001 - nothing that a worker raises may reach the event loop
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                self._ended()
            else:
                self.completion.resolve(ending(ctx.cancel_token, stage, error))

    def _cancel(self, _reason: str) -> None:
        if self.completion.resolved:
            return
        if self._task is None:
            self._ended()
            return
        if self._task is asyncio.current_task():
            # It cancels itself: that is for its next wait, not for what its joiner does after it.
            asyncio.get_running_loop().call_soon(self._cancel_task)
        else:
            self._task.cancel()
        timer = asyncio.get_running_loop().call_later(self._ctx.grace, self._leave_behind)
        self.completion.on_resolved(timer.cancel)

    def _cancel_task(self) -> None:
        if self._task is not None and not self.completion.resolved:
            self._task.cancel()

    def _ended(self, _: object = None) -> None:
        """The task was cancelled, maybe before its first turn, when it never enters `_perform`."""
        self.completion.resolve(ending(self.cancel_token) or WorkerFailed(CHANNEL_CLOSED))

    def _leave_behind(self) -> None:
        if self._task is not None:
            _left_behind.add(self._task)
            self._task.add_done_callback(_left_behind.discard)
        self.left_behind = True
        self._spawner.left_behind(self._ctx)
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


class _InContext:
    """Awaits a coroutine of this task in a copy of its context, so that what it sets stays its own."""

    __slots__ = ("_context", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self._context = contextvars.copy_context()

    def __await__(self) -> Generator[Any, Any, None]:
        run, send, throw = self._context.run, self._coroutine.send, self._coroutine.throw
        sent: Any = None
        try:
            waited = run(send, None)
            while True:
                try:
                    sent = yield waited
                except BaseException as error:  # noqa: BLE001 - handed on to where the function waits
                    waited = run(throw, error)
                else:
                    waited = run(send, sent)
        except StopIteration:
            return


_left_behind: set[asyncio.Task[None]] = set()
"""The event loop refers only weakly to its tasks."""
