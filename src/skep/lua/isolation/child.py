"""One process for scripts, as the host sees it: started, called, killed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from skep.errors import LimitExceeded, LuaProcessFailed, SkepError, WorkerCancelled
from skep.lua.isolation.bounds import Bounds, address_space, cpu_seconds, largest_frame
from skep.lua.isolation.conversation import Conversation, Success, Violation
from skep.lua.isolation.launch import Program, Started, cut, start
from skep.lua.isolation.link import Link
from skep.lua.isolation.messages import BadMessage, Broken, Hook, Ready, Run, Start, encoded, received
from skep.lua.limits import Limits
from skep.lua.runner import HostFunction
from skep.values import clean_text
from skep.workers.cancel import CancelToken
from skep.workers.process.exit_watch import reap, watch_exit

_ENDED = "a script's process has ended"
_SHOWN = 512
"""Characters of what a process said wrongly that an error shows."""


class Child:
    """Serves one call after another. Whatever goes wrong ends it: nobody trusts a process that once did wrong."""

    def __init__(self, started: Started, limits: Limits, bounds: Bounds) -> None:
        self.pid = started.pid
        self.walls: list[str] = []
        """What it has given up: see `hardening`."""
        self.calls = 0
        self._limits = limits
        self._bounds = bounds
        self._busy = 0.0
        """Seconds spent in calls: it has used no more CPU than that."""
        self._lifeline = started.lifeline
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._waiting: asyncio.Future[Any] | None = None
        self._conversation: Conversation | None = None
        self.alive = True
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when it was reaped."""
        self._link = Link(started.socket, largest_frame(limits, bounds), self._received, self._hung_up)
        watch_exit(started.pid, self._exited)
        self._link.send(encoded(Start(limits, address_space(limits, bounds), cpu_seconds(limits, bounds))))

    @classmethod
    async def started(cls, program: Program, limits: Limits, bounds: Bounds) -> Child:
        """Start one and wait until it is ready.

        Raises:
            LuaProcessFailed: it cannot be started, or is not ready in time.
        """
        try:
            child = cls(start(program), limits, bounds)
        except OSError as error:
            raise LuaProcessFailed(f"no process for untrusted scripts can be started: {error}") from error
        ready = False
        try:
            async with asyncio.timeout(bounds.start):
                await child._ready
            ready = True
        except TimeoutError:
            raise LuaProcessFailed(f"a script's process was not ready within {bounds.start:g} s") from None
        finally:
            if not ready:
                child.kill()
                await child.gone
        return child

    @property
    def worn(self) -> bool:
        """Whether its CPU limit could end its next call."""
        return self._busy + self._limits.wall + self._bounds.margin > cpu_seconds(self._limits, self._bounds)

    async def call(
        self, request: Hook | Run, host: Mapping[str, HostFunction], cancel: CancelToken | None
    ) -> Any:
        """Send a request, which is numbered `calls` + 1, and serve what its script asks for; its value.

        Raises:
            SkepError: as `Runner` says; beyond an error of the script itself the process is dead.
        """
        self.calls += 1
        self._conversation = Conversation(self.calls, host, self._bounds.host_calls, self._limits.output)
        waiting = self._waiting = self._loop.create_future()
        began = time.monotonic()
        timer = self._loop.call_later(self._limits.wall + self._bounds.margin, self._too_long, request.name)
        if cancel is not None:
            cancel.on_cancel(lambda reason: self._cancelled(waiting, reason))
        try:
            if self.alive:
                self._link.send(encoded(request))
            elif not waiting.done():
                raise LuaProcessFailed(_ENDED)
            return await waiting
        finally:
            timer.cancel()
            self._busy += time.monotonic() - began
            if not waiting.done() or waiting.cancelled():
                self.kill()
            self._waiting = self._conversation = None

    def kill(self) -> None:
        """End it now; nothing if it has ended. It cannot catch that, nor has it children."""
        if not self.alive:
            return
        self.alive = False
        self._link.close()
        cut(self._lifeline)
        if not self.gone.done():  # else the number may be another's
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    # -- events --------------------------------------------------------------------------------

    def _received(self, frames: list[bytes]) -> None:
        for frame in frames:
            if not self.alive:
                return
            try:
                self._take(frame)
            except Violation as violation:
                what = clean_text(str(violation), _SHOWN)
                self._fail(LuaProcessFailed(f"a script's process broke its protocol and was ended: {what}"))
            except LimitExceeded as error:
                self._fail(error)
        self._settle()

    def _take(self, frame: bytes) -> None:
        if not self._ready.done():
            self._greeted(frame)
        elif self._conversation is None:
            raise Violation("it spoke unasked")
        else:
            answer = self._conversation.take(frame)
            if answer is not None:
                self._link.send(answer)

    def _greeted(self, frame: bytes) -> None:
        try:
            message = received(frame)
        except BadMessage as error:
            raise Violation(f"no message: {error}") from error
        if isinstance(message, Broken):
            why = clean_text(message.message, _SHOWN)
            self._fail(LuaProcessFailed(f"a script's process cannot serve: {why}"))
        elif isinstance(message, Ready):
            self.walls = message.walls
            self._ready.set_result(None)
        else:
            raise Violation("it did not say that it was ready")

    def _settle(self) -> None:
        """Give the call its outcome, once all that came with it was in order."""
        conversation, waiting = self._conversation, self._waiting
        if conversation is None or waiting is None or waiting.done() or conversation.outcome is None:
            return
        if not self._link.clean:
            self._fail(LuaProcessFailed("a script's process went on after its result and was ended"))
        elif isinstance(conversation.outcome, Success):
            waiting.set_result(conversation.outcome.value)
        else:
            waiting.set_exception(conversation.outcome)

    def _hung_up(self, fault: str | None) -> None:
        what = _ENDED if fault is None else f"a script's process was ended: {fault}"
        self._fail(LuaProcessFailed(what))

    def _too_long(self, script: str) -> None:
        self._fail(LimitExceeded("wall", self._limits.wall, where=script))

    def _cancelled(self, waiting: asyncio.Future[Any], reason: str) -> None:
        if self._waiting is waiting and not waiting.done():
            self._fail(WorkerCancelled(reason))

    def _fail(self, error: SkepError) -> None:
        self.kill()
        for future in (self._ready, self._waiting):
            if future is not None and not future.done():
                future.set_exception(error)
                return

    def _exited(self, code: int | None) -> None:
        """It is no process any more. What it has sent, and its end, are still read."""
        if code is None:
            reap(self.pid)
        if (
            not self.alive
        ):  # nothing more is read from one that was killed: its call would wait for its wall limit
            self._fail(LuaProcessFailed(_ENDED))
        self.gone.set_result(None)
