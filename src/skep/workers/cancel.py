"""The cancel token: how a worker is asked to end."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger("skep.workers")


class CancelToken:
    """A one-way signal: cancelled once, for one reason, seen by everyone who asks.

    `cancelled` and `reason` may be read from any thread; everything else belongs to the event loop.
    """

    __slots__ = ("_callbacks", "reason")

    def __init__(self) -> None:
        self.reason: str | None = None
        self._callbacks: list[Callable[[str], object]] | None = None

    @property
    def cancelled(self) -> bool:
        return self.reason is not None

    def cancel(self, reason: str = "cancelled") -> None:
        """Cancel; later calls change nothing. Callbacks run at once, in order of registration."""
        if self.reason is not None:
            return
        self.reason = reason
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            _call(callback, reason)

    def on_cancel(self, callback: Callable[[str], object]) -> None:
        """Call `callback(reason)` when cancelled; at once if that is past. What it raises is logged."""
        if self.reason is not None:
            _call(callback, self.reason)
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    def release(self) -> None:
        """Forget who listens: what could be cancelled has ended. Those who listened refer to the token."""
        self._callbacks = None

    async def wait(self) -> str:
        """Wait until cancelled; returns the reason."""
        if self.reason is None:
            import asyncio  # noqa: PLC0415 - a script's process has tokens and no event loop; it starts in half the time

            woken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self.on_cancel(lambda reason: None if woken.done() else woken.set_result(reason))
            return await woken
        return self.reason


def _call(callback: Callable[[str], object], reason: str) -> None:
    try:
        callback(reason)
    except Exception:  # one listener's fault must not keep the rest from hearing
        log.exception("a cancel callback failed: %r", callback)
