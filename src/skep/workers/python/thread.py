"""A sync function at work, in a thread of the pool."""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import suppress
from typing import TYPE_CHECKING

from skep.core.outputs import Final
from skep.ids import WORKER, new_id
from skep.workers.base import Completion, Ctx, JoinHandler, Outcome
from skep.workers.python.ending import FUNCTION, INPUT, RESULT, ending
from skep.workers.python.invocation import Invocation
from skep.workers.python.result import final_of
from skep.workers.threads import ThreadPool

if TYPE_CHECKING:
    from skep.workers.python.spawner import InProcSpawner


class ThreadWorker(JoinHandler):
    """A call that has not begun when it is cancelled is taken back; one that runs has the grace to return."""

    __slots__ = ("_call", "_ctx", "_loop", "_spawner", "_threads")

    def __init__(self, spawner: InProcSpawner, ctx: Ctx, threads: ThreadPool) -> None:
        super().__init__(new_id(WORKER), ctx.cancel_token, Completion())
        self._spawner = spawner
        self._ctx = ctx
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        invocation = Invocation(ctx, spawner.limits)
        self._call = threads.submit(lambda: context.run(self._perform, invocation))
        ctx.cancel_token.on_cancel(self._cancel)

    def _perform(self, invocation: Invocation) -> None:
        """Runs in the thread; only `_deliver` happens on the event loop."""
        spawner = self._spawner
        final: Final | None = None
        outcome: Outcome = None
        stage = INPUT
        try:
            arguments = spawner.parameters.fill(invocation)
            stage = FUNCTION
            returned = spawner.function(**arguments)
            stage = RESULT
            if returned is not None or not invocation.said_final:
                final = final_of(returned, spawner.limits)
        except BaseException as error:  # noqa: BLE001 - nothing that a worker raises may end the pool's thread
            outcome = ending(self.cancel_token, stage, error)
        with suppress(RuntimeError):  # the event loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._deliver, final, outcome)

    def _deliver(self, final: Final | None, outcome: Outcome) -> None:
        if final is not None and self.cancel_token.reason is None:
            try:
                self._ctx.channel.deliver(final)
            except Exception as error:  # noqa: BLE001 - a result that cannot be recorded fails its attempt
                outcome = ending(self.cancel_token, RESULT, error)
        self.completion.resolve(outcome or ending(self.cancel_token))

    def _cancel(self, _reason: str) -> None:
        if self.completion.resolved:
            return
        if self._threads.withdraw(self._call):
            self.completion.resolve(ending(self.cancel_token))
            return
        timer = self._loop.call_later(self._ctx.grace, self._leave_behind)
        self.completion.on_resolved(timer.cancel)

    def _leave_behind(self) -> None:
        if self._threads.abandon(self._call):
            self._spawner.left_behind(self._ctx)
            self.completion.resolve(ending(self.cancel_token))
