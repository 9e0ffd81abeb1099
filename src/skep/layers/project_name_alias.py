"""`project_name_alias`: the name under which a project is known to its workers."""

from __future__ import annotations

from skep.layers.base import Around
from skep.workers.base import Ctx, Spawner, Worker


class ProjectNameAlias:
    """Hands `alias` inward as `ctx.meta["project_name_alias"]`."""

    name = "project_name_alias"

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def __call__(self, inner: Spawner) -> Spawner:
        return _Aliased(inner, self._alias)


class _Aliased(Around):
    def __init__(self, inner: Spawner, alias: str) -> None:
        super().__init__(inner)
        self._alias = alias

    async def spawn(self, ctx: Ctx) -> Worker:
        return await self.inner.spawn(ctx.replace(meta={**ctx.meta, "project_name_alias": self._alias}))
