"""`OperatorSpawner`: starts nothing; the attempt is a work item until somebody's result was accepted."""

from __future__ import annotations

import asyncio

from skep.errors import WorkerCancelled
from skep.ids import WORKER, new_id
from skep.workers.base import Completion, Ctx, JoinHandler, Outcome, Worker
from skep.workers.completion import failed


class OperatorSpawner:
    """Offers each attempt to `seat`, with its prompt and its system prompt.

    Cancelling ends the wait at once: whoever holds the item learns of it when it next acts.
    """

    runs_ahead = False

    def __init__(self, seat: str) -> None:
        self.seat = seat

    async def spawn(self, ctx: Ctx) -> Worker:
        """Offer the attempt; it is joined when a result was accepted, or the item was taken back."""
        ended = Completion()
        worker = JoinHandler(new_id(WORKER), ctx.cancel_token, ended)
        if ctx.cancel_token.reason is not None:
            ended.resolve(WorkerCancelled(f"cancelled before the start: {ctx.cancel_token.reason}"))
            return worker
        offering = asyncio.get_running_loop().create_task(
            ctx.channel.offer(self.seat, {"system": ctx.system, "prompt": ctx.prompt})
        )
        offering.add_done_callback(lambda done: ended.resolve(_outcome(done, ctx.cancel_token.reason)))
        ctx.cancel_token.on_cancel(lambda _: offering.cancel())
        return worker


def _outcome(offering: asyncio.Task[None], reason: str | None) -> Outcome:
    """How the offer ended; one that was cancelled in its last moment has ended all the same."""
    error = offering.exception() if not offering.cancelled() else None
    if offering.cancelled() or reason is not None:
        return WorkerCancelled(reason or "the wait for an operator was cancelled")
    return failed(error) if error is not None else None
