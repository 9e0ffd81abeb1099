"""From a started program to the end of its attempt."""

from __future__ import annotations

import asyncio

from skep.errors import SkepError, WorkerCancelled, WorkerFailed
from skep.limits import Limits
from skep.workers.base import Ctx, Outcome
from skep.workers.completion import failed
from skep.workers.process.child import Child, Exit
from skep.workers.process.ending import kept_stderr, last_words
from skep.workers.process.output import Output


class Attendant:
    """Waits for one child, ends it when it must, and has what it said delivered."""

    def __init__(self, ctx: Ctx, child: Child, output: Output, limits: Limits) -> None:
        self._ctx = ctx
        self._child = child
        self._output = output
        self._limits = limits
        self._timed_out = False
        output.attach(child)
        ctx.cancel_token.on_cancel(lambda _: child.terminate(ctx.grace))

    async def attend(self, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - the program gets time to end well
        """The attempt from here on; `timeout` in seconds."""
        timer = None
        if timeout is not None:
            timer = asyncio.get_running_loop().call_later(timeout, self._time_out)
        try:
            end = await self._child.ended
        finally:
            if timer is not None:
                timer.cancel()
        why = self._output.failure(end)
        reason = self._ctx.cancel_token.reason
        if reason is not None:
            return WorkerCancelled(reason)
        if self._timed_out:
            why = WorkerFailed(f"{self._output.program} did not end within {timeout:g} s{last_words(end)}")
        return await self._deliver(end) if why is None else self._failed(end, why)

    def _time_out(self) -> None:
        self._timed_out = True
        self._child.terminate(self._ctx.grace)

    async def _deliver(self, end: Exit) -> Outcome:
        try:
            await self._output.deliver(end)
        except SkepError as error:
            return failed(error, f"output of {self._output.program}: ")
        reason = self._ctx.cancel_token.reason
        return WorkerCancelled(reason) if reason is not None else None

    def _failed(self, end: Exit, why: WorkerFailed) -> WorkerFailed:
        """A failure, with stderr kept where the attempt still takes it."""
        try:
            self._ctx.channel.emit_many(kept_stderr(end, self._limits))
        except SkepError as error:
            why.add_note(f"its stderr could not be kept: {error}")
        return why
