"""What a layer is: a small thing that wraps a spawner (DESIGN section 9)."""

from __future__ import annotations

from typing import Protocol

from skep.workers.base import Ctx, Spawner, Worker


class Layer(Protocol):
    """Called with the spawner inside, returns the one that takes its place.

    It may change the ctx or refuse before the inner `spawn`, and act after the worker's end by `wrap_join`.
    It never changes what was recorded: it appends (`ctx.channel.append(event, by="layer:<name>")`).
    """

    name: str

    def __call__(self, inner: Spawner) -> Spawner: ...


class Around:
    """A spawner around another; layers override `spawn`."""

    def __init__(self, inner: Spawner) -> None:
        self.inner = inner
        self.runs_ahead = inner.runs_ahead

    async def spawn(self, ctx: Ctx) -> Worker:
        return await self.inner.spawn(ctx)
