"""The base worker of an attempt whose result is already in the journal (DESIGN section 5, *Suspended*)."""

from __future__ import annotations

import asyncio

from skep.ids import new_id
from skep.workers.base import Ctx, JoinHandler, Outcome, Worker


class RecordedSpawner:
    """Starts nothing: the worker delivered its `final` before the host died. Layers around it run again."""

    runs_ahead = True

    async def spawn(self, ctx: Ctx) -> Worker:
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return JoinHandler(new_id("W-"), ctx.cancel_token, done)
