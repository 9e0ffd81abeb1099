"""Ctrl-C, SIGTERM and SIGHUP: the first cancels the run and waits for its workers, the second stops hard.

Handlers are Python's own and not the loop's: they run although a worker holds the loop.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from skep.cli import exits
from skep.cli.leaving import leave, say

if TYPE_CHECKING:
    import asyncio

    from skep.cli.report import Report
    from skep.cli.view.audience import Audience
    from skep.cli.watchdog import Watchdog
    from skep.engine.runs.handle import RunHandle

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WARN_AFTER = 10
"""Ticks (of half a second) without an answer of the loop until that is said."""
GRACE = 2.0
"""Seconds after a run's timeout in which the loop may still end it in order."""

Handler = Callable[[int, FrameType | None], object]


def leave_when_signalled(*, as_json: bool) -> None:
    """From now on a signal ends the program at once: for when no run has begun, or it has ended."""
    install(lambda _number, _frame: leave(exits.CANCELLED, "cancelled", "cancelled", as_json=as_json))


def install(handler: Handler | signal.Handlers) -> None:
    """Let `handler` take the signals that ask the program to end."""
    if threading.current_thread() is not threading.main_thread():
        return  # Python allows it to the main thread only; a program around us has its own handlers
    for number in SIGNALS:
        ignored = number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN
        if not ignored:  # by nohup: the run is to outlive its terminal
            signal.signal(number, handler)


class Interrupts:
    """While the block lasts, signals mean the run and not the program. Entered before the run starts."""

    def __init__(self, report: Report, *, timeout: float | None = None) -> None:
        self._report = report
        self._end_by = time.monotonic() + timeout + GRACE if timeout is not None else None
        self._handle: RunHandle | None = None
        self._watcher: Audience | None = None
        self._cancelling: asyncio.Task[None] | None = None
        self._first: int | None = None
        self._taken = False
        self._loop: asyncio.AbstractEventLoop
        self._watchdog: Watchdog

    def __enter__(self) -> Self:
        import asyncio

        from skep.cli.watchdog import Watchdog

        self._loop = asyncio.get_running_loop()
        self._watchdog = Watchdog(self._loop, self._silent)
        install(self._signalled)
        self._watchdog.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watchdog.stop()
        leave_when_signalled(as_json=False)

    def attach(self, handle: RunHandle, watcher: Audience | None) -> None:
        """This is the run; a signal that came before is for it."""
        self._handle, self._watcher = handle, watcher
        if self._taken:
            self._begin()

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if self._first is None:
            self._first = number
            self._loop.call_soon_threadsafe(self._take)
        elif number != signal.SIGHUP:  # a closed terminal sends it more than once
            self._stop_hard()

    def _take(self) -> None:
        self._taken = True
        if self._handle is not None:
            self._begin()

    def _begin(self) -> None:
        if self._watcher is not None:
            self._watcher.stopping()
        self._cancelling = self._loop.create_task(self._cancel())

    async def _cancel(self) -> None:
        """Its end is reported by whoever follows the run, failures included."""
        import asyncio

        if self._handle is not None:
            await asyncio.wait([asyncio.ensure_future(self._handle.cancel())])

    def _silent(self, ticks: int) -> None:
        if ticks == WARN_AFTER:
            what = "a worker holds the event loop and lets nothing else run"
            remedy = "make it a plain `def`, or let it await; Ctrl-C twice stops hard"
            say(f"{what} ({remedy})")
        if ticks > 1 and self._end_by is not None and time.monotonic() > self._end_by:
            self._stop_hard(exits.TIMEOUT, "timeout: stopped hard, a worker holds the event loop")
        if ticks >= WARN_AFTER and self._first not in (None, signal.SIGINT) and not self._taken:
            self._stop_hard()  # nobody may be there any more to send a second signal

    def _stop_hard(self, code: int = exits.CANCELLED, what: str = "stopped hard") -> None:
        run = self._report.run_id
        remedy = f"what is left ends with: skep resume {run}" if run else "skep ps names what is left"
        leave(code, "interrupted", f"{what}; {remedy}", as_json=self._report.as_json, run_id=run)
