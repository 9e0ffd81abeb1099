"""The building block of every worker."""

from __future__ import annotations

import asyncio

from skep.errors import AlreadyJoined
from skep.workers.cancel import CancelToken
from skep.workers.completion import Completion, Outcome


class JoinHandler:
    """A worker: an id, a cancel token and a completion.

    Args:
        worker_id: `W-` and 16 hex.
        cancel: the attempt's token; the spawner makes the worker heed it.
        completion: resolves when the worker has ended, cleanup included; for futures see `Completion.of`.
    """

    __slots__ = ("_joined", "cancel_token", "completion", "id")

    def __init__(
        self, worker_id: str, cancel: CancelToken, completion: Completion | asyncio.Future[Outcome]
    ) -> None:
        self.id = worker_id
        self.cancel_token = cancel
        self.completion = completion if isinstance(completion, Completion) else Completion.of(completion)
        self._joined = False

    def claim(self) -> Completion:
        """Take the right to join over, as `wrap_join` does.

        Raises:
            AlreadyJoined: somebody has it.
        """
        if self._joined:
            raise AlreadyJoined(f"worker {self.id} was joined before", fix="join a worker, or wrap it, once")
        self._joined = True
        return self.completion

    async def join(self) -> None:
        """Wait for the end; see `Worker.join`."""
        outcome = await self.claim().wait()
        if outcome is not None:
            raise outcome
