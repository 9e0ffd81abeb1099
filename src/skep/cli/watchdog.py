"""Telling from outside the event loop that the loop stands still, as a worker that never awaits makes it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

TICK = 0.5
"""Seconds between two questions to the loop."""


class Watchdog:
    """Calls `silent(ticks)` in a thread of its own for each tick in which the loop has not answered.

    Ticks are counted, not seconds: a program that was stopped and goes on is not a silent one.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, silent: Callable[[int], None], tick: float = TICK
    ) -> None:
        self._loop = loop
        self._silent = silent
        self._tick = tick
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="skep-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        ticks = 0
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to watch
            self._loop.call_soon_threadsafe(self._answered.set)
            while not self._ended.wait(self._tick):
                if self._answered.is_set():
                    ticks = 0
                    self._answered.clear()
                    self._loop.call_soon_threadsafe(self._answered.set)
                else:
                    ticks += 1
                    self._silent(ticks)
