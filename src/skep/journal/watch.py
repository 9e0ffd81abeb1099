"""Looking for what others wrote: a count that grows with every write, and who compares it with what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class TokenWatch:
    """A `Watch` over a number that differs after each write; every watch remembers what it saw itself.

    Args:
        look: reads the number.
    """

    def __init__(self, look: Callable[[], Awaitable[int]]) -> None:
        self._look = look
        self._seen: int | None = None

    async def changed(self) -> bool:
        token = await self._look()
        changed, self._seen = token != self._seen, token
        return changed
