"""A clock that stands still until a test moves it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class FakeClock:
    """Implements `skep.clock.Clock`; timers run inside `advance`, in order of their time.

    >>> clock = FakeClock(1_000)
    >>> _ = clock.call_at(1_500, lambda: print("rang at", clock.now_ms()))
    >>> clock.advance(2_000)
    rang at 1500
    >>> clock.now_ms()
    3000
    """

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._now = start_ms
        self._timers: list[tuple[int, int, FakeTimer]] = []
        self._numbers = count()

    def now_ms(self) -> int:
        return self._now

    def call_at(self, when_ms: int, callback: Callable[[], object]) -> FakeTimer:
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (when_ms, next(self._numbers), timer))
        return timer

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds pass. A timer that is due sees its own time, and may set further ones."""
        end = self._now + ms
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, when)
            timer.run()
        self._now = end

    @property
    def waiting(self) -> int:
        """Timers that have neither run nor been cancelled."""
        return sum(not timer.cancelled for _, _, timer in self._timers)


class FakeTimer:
    """What `FakeClock.call_at` returns."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def run(self) -> None:
        if not self.cancelled:
            self._callback()
