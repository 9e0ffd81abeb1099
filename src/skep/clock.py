"""Time as an argument: the engine asks a `Clock`, tests bring their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class TimerHandle(Protocol):
    """What `Clock.call_at` returns."""

    def cancel(self) -> None:
        """Forget the callback; harmless when it has run or was cancelled."""
        ...


class Clock(Protocol):
    """Wall time in milliseconds since the epoch, and timers on the running event loop."""

    def now_ms(self) -> int: ...

    def call_at(self, when_ms: int, callback: Callable[[], object]) -> TimerHandle:
        """Run `callback` on the event loop once `now_ms() >= when_ms`."""
        ...


class SystemClock:
    """The machine's clock; `now_ms` never goes backwards within a process."""

    def __init__(self) -> None:
        self._last = 0

    def now_ms(self) -> int:
        now = time.time_ns() // 1_000_000
        if now > self._last:  # noqa: PLR1730 - max() is a call on every step's way
            self._last = now
        return self._last

    def call_at(self, when_ms: int, callback: Callable[[], object]) -> TimerHandle:
        delay = max(0, when_ms - self.now_ms()) / 1000
        return asyncio.get_running_loop().call_later(delay, callback)
