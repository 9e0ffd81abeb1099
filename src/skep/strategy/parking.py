"""Threads that wait inside Lua, where no yield is possible: counted and bounded (R-bound)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from skep.strategy.steps import Stepper

MAX_PARKED = 256


class Parking:
    """The scripts whose thread waits, the one that has waited longest first. Safe to use from any thread.

    `unwind` is called with the oldest when one too many waits; by default nothing is.
    """

    def __init__(self, unwind: Callable[[Stepper], None] | None = None, most: int = MAX_PARKED) -> None:
        self._unwind = unwind
        self._most = most
        self._lock = threading.Lock()
        self._waiting: dict[int, Stepper] = {}

    @property
    def parked(self) -> int:
        return len(self._waiting)

    def add(self, script: Stepper) -> None:
        """The thread of `script` begins to wait."""
        with self._lock:
            self._waiting[id(script)] = script
            oldest = next(iter(self._waiting.values())) if len(self._waiting) > self._most else None
        if oldest is not None and self._unwind is not None:
            self._unwind(oldest)

    def remove(self, script: Stepper) -> None:
        """It goes on, or it was dropped."""
        with self._lock:
            self._waiting.pop(id(script), None)
