"""Waiting for a key without lost wake-ups: whoever waits looks again after each wake.

A wake carries nothing and is kept for nobody, so it can neither be missed nor mistaken: what counts is what
`predicate` says, which is asked before each wait, with no `await` in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil

from skep.clock import Clock
from skep.errors import PollTimeout


class Waiters:
    """Who waits for what, by key; nothing is kept of a key that nobody waits for.

    Used on the loop's thread only.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._why: Callable[[], Exception] | None = None
        self.waiting: dict[str, set[asyncio.Future[None]]] = {}

    def wake(self, key: str) -> None:
        """Something about `key` has changed."""
        for future in self.waiting.pop(key, ()):
            if not future.done():
                future.set_result(None)

    def end(self, why: Callable[[], Exception]) -> None:
        """Nobody will be woken any more: who waits, now or later, in vain gets an error that `why` makes."""
        self._why = why
        for key in tuple(self.waiting):
            self.wake(key)

    async def until(
        self,
        key: str,
        predicate: Callable[[], bool],
        timeout: float | None = None,  # noqa: ASYNC109 - on the clock
    ) -> None:
        """Return once `predicate()` holds; it is asked at once and after each wake of `key`.

        Raises:
            PollTimeout: `timeout` seconds are over.
            Exception: what `end` was given.
        """
        due = None if timeout is None else self._clock.now_ms() + ceil(timeout * 1000)
        while not predicate():
            if self._why is not None:
                raise self._why()
            if due is not None and self._clock.now_ms() >= due:
                raise PollTimeout(
                    f"nothing has come for {key} in {timeout} s", fix="ask again, or wait longer"
                )
            await self._wake_of(key, due)

    async def _wake_of(self, key: str, due: int | None) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(key, set()).add(future)
        timer = None
        if due is not None:
            timer = self._clock.call_at(due, lambda: future.done() or future.set_result(None))
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()
            others = self.waiting.get(key)
            if others is not None:
                others.discard(future)
                if not others:
                    del self.waiting[key]
