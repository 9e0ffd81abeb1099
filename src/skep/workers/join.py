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

    __slots__ = ("_joined", "cancel_token", "completion", "id", "left_behind")

    def __init__(
        self, worker_id: str, cancel: CancelToken, completion: Completion | asyncio.Future[Outcome]
    ) -> None:
        self.id = worker_id
        self.cancel_token = cancel
        self.completion = completion if isinstance(completion, Completion) else Completion.of(completion)
        self.left_behind = False
        """The worker goes on after its completion was resolved, and with it who performs it by waiting."""
        self._joined = False

    def claim(self) -> None:
        """Take the right to join over, as `wrap_join` does: whoever has it waits by `outcome`.

        Raises:
            AlreadyJoined: somebody has it.
        """
        if self._joined:
            raise AlreadyJoined(f"worker {self.id} was joined before", fix="join a worker, or wrap it, once")
        self._joined = True

    async def outcome(self) -> Outcome:
        """Wait for the end; for who has claimed it, who may ask again after being cancelled."""
        return await self.completion.wait()

    async def join(self) -> None:
        """Wait for the end; see `Worker.join`."""
        self.claim()
        outcome = await self.outcome()
        if outcome is not None:
            raise outcome
