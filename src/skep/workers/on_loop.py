"""From a worker's thread to the event loop and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from skep.errors import AttemptEnded

T = TypeVar("T")


def call_on(loop: asyncio.AbstractEventLoop, act: Callable[..., T], *args: Any) -> T:
    """Call `act(*args)` on the loop's thread, from another one, and wait for what it returns or raises.

    Raises:
        AttemptEnded: the loop is closed.
    """
    answer: Future[T] = Future()

    def perform() -> None:
        try:
            answer.set_result(act(*args))
        except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits
            answer.set_exception(error)

    try:
        loop.call_soon_threadsafe(perform)
    except RuntimeError as error:
        raise AttemptEnded("the event loop of this attempt is closed") from error
    return answer.result()
