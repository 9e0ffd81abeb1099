"""`resolver`: another agent in place of the one that was asked for."""

from __future__ import annotations

from collections.abc import Callable

from skep.errors import SpawnError
from skep.layers.base import Around
from skep.workers.base import Ctx, Spawner, Worker, error_text

Resolve = Callable[[str, Ctx], str]
"""`resolve(agent, ctx)` to the name of the agent that shall work."""


class Resolver:
    """What lies inside sees the agent that `resolve` names; useful around a spawner that routes by agent."""

    name = "resolver"

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    def __call__(self, inner: Spawner) -> Spawner:
        return _Resolved(inner, self._resolve)


class _Resolved(Around):
    def __init__(self, inner: Spawner, resolve: Resolve) -> None:
        super().__init__(inner)
        self._resolve = resolve

    async def spawn(self, ctx: Ctx) -> Worker:
        try:
            agent = self._resolve(ctx.agent, ctx)
        except Exception as error:
            raise SpawnError(f"layer resolver: {error_text(error)}") from error
        return await self.inner.spawn(ctx.replace(agent=agent))
