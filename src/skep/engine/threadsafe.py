"""Calls from other threads: a bounded inbox into the engine's event loop (R-sync)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from skep.errors import LockBusy

T = TypeVar("T")


class ThreadSafe:
    """`engine.threadsafe`: hands work to the engine's loop and gives back a `concurrent.futures.Future`.

    At most `size` calls may wait or run at once; one more is `LockBusy`, which is safe to try again later.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self._loop = loop
        self._room = threading.BoundedSemaphore(size)
        self._size = size

    def call(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run `function(*args)` on the loop.

        Raises:
            LockBusy: the inbox is full, or the engine has closed.
        """
        answer: Future[T] = Future()

        def run() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(function(*args))
                except BaseException as error:  # noqa: BLE001 - the caller's thread gets whatever it was
                    answer.set_exception(error)

        self._post(run, answer)
        return answer

    def run(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run `coroutine` on the loop as a task.

        Raises:
            LockBusy: as `call`; the coroutine is closed.
        """
        self._take_room(coroutine.close)
        try:
            answer = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError as error:
            self._room.release()
            coroutine.close()
            raise LockBusy("the engine has closed") from error
        answer.add_done_callback(lambda _: self._room.release())
        return answer

    def _post(self, run: Callable[[], None], answer: Future[Any]) -> None:
        self._take_room(lambda: None)
        answer.add_done_callback(lambda _: self._room.release())
        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError as error:
            answer.cancel()
            raise LockBusy("the engine has closed") from error

    def _take_room(self, refused: Callable[[], None]) -> None:
        if not self._room.acquire(blocking=False):
            refused()
            raise LockBusy(f"threadsafe inbox of {self._size} is full", fix="try again later")
