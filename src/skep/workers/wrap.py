"""`wrap_join`: what a layer does after a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from skep.errors import AlreadyJoined, WorkerCancelled, WorkerError
from skep.workers.cancel import CancelToken
from skep.workers.completion import Completion, Outcome, failed, is_being_cancelled
from skep.workers.join import JoinHandler

if TYPE_CHECKING:
    from skep.workers.base import Worker

Post = Callable[[Outcome], Awaitable[Outcome]]
"""Gets how a worker ended and returns how it shall end instead."""


def wrap_join(worker: Worker, post: Post, *, name: str = "(unnamed)") -> Worker:
    """`worker` with `post` after its end: the way a layer acts after a worker.

    `post` gets how the worker ended (`None` or the error) and returns how it shall end instead; what it
    raises fails the worker with `name` in the message. It runs exactly once, also when nobody joins or the
    joiner is cancelled. The id and the cancel token stay; the worker handed in belongs to the one returned.
    No task is made unless nobody joins.

    Raises:
        AlreadyJoined: too late, `worker` was joined.
    """
    if not isinstance(worker, _Wrapped):
        worker = _Wrapped(worker.id, worker.cancel_token, _claim(worker))
    worker.add(name, post)
    return worker


class _Wrapped:
    """A worker whose end is followed by posts, inner to outer.

    The posts are a list with a cursor, so that whoever is at it (the joiner; a task of our own when nobody
    joins or the joiner is cancelled) goes on where the one before stopped.
    """

    __slots__ = ("_completion", "_joined", "_next", "_outcome", "_posts", "_rest", "cancel_token", "id")

    def __init__(self, worker_id: str, cancel: CancelToken, completion: Completion) -> None:
        self.id = worker_id
        self.cancel_token = cancel
        self._completion = completion
        self._posts: list[tuple[str, Post]] = []
        self._next = 0
        self._outcome: Outcome = None
        self._joined = False
        self._rest: asyncio.Task[Outcome] | None = None
        completion.on_resolved(self._ended)

    def add(self, name: str, post: Post) -> None:
        if self._joined:
            raise AlreadyJoined(f"worker {self.id} was joined before", fix="wrap a worker before joining it")
        self._posts.append((name, post))
        if self._rest is not None and self._rest.done():
            self._go_on()

    async def join(self) -> None:
        if self._joined:
            raise AlreadyJoined(f"worker {self.id} was joined before")
        self._joined = True
        try:
            outcome = await (self._end() if self._rest is None else asyncio.shield(self._rest))
        except asyncio.CancelledError:
            if self._rest is None:
                self._go_on()
            raise
        if outcome is not None:
            raise outcome

    def _ended(self) -> None:
        if not self._joined:
            self._go_on()

    def _go_on(self) -> None:
        self._rest = rest = asyncio.get_running_loop().create_task(self._end())
        _background.add(rest)
        rest.add_done_callback(_background.discard)

    async def _end(self) -> Outcome:
        posts, turn = self._posts, self._next
        outcome = self._outcome if turn else await self._completion.wait()
        while turn < len(posts):
            name, post = posts[turn]
            self._next = turn = turn + 1
            try:
                outcome = await _after(name, post, outcome)
            except asyncio.CancelledError:
                self._outcome = WorkerCancelled(f"cancelled in layer {name}")
                raise
        self._outcome = outcome
        return outcome


_background: set[asyncio.Task[Outcome]] = set()
"""The event loop refers only weakly to its tasks."""


async def _after(name: str, post: Post, outcome: Outcome) -> Outcome:
    try:
        return await post(outcome)
    except asyncio.CancelledError as error:
        if is_being_cancelled():
            raise
        return failed(error, f"layer {name}: ")
    except WorkerError as error:
        return error
    except BaseException as error:  # noqa: BLE001 - a layer's fault fails its attempt and nothing else
        return failed(error, f"layer {name}: ")


def _claim(worker: Worker) -> Completion:
    """The completion of a worker; one task joins a worker of another make, which has none."""
    if isinstance(worker, JoinHandler):
        return worker.claim()
    return Completion.of(asyncio.get_running_loop().create_task(_joined(worker)))


async def _joined(worker: Worker) -> Outcome:
    try:
        await worker.join()
    except asyncio.CancelledError:
        raise
    except WorkerError as error:
        return error
    except BaseException as error:  # noqa: BLE001 - it fails its attempt and nothing else
        return failed(error)
    return None
