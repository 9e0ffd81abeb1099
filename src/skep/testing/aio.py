"""Run a coroutine in a test, never longer than a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(coro: Coroutine[Any, Any, T], timeout: float = 30) -> T:
    """Run `coro` on a new event loop; `TimeoutError` after `timeout` seconds.

    >>> run(asyncio.sleep(0, "done"))
    'done'
    """

    async def bounded() -> T:
        async with asyncio.timeout(timeout):
            return await coro

    return asyncio.run(bounded())
