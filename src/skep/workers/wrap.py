"""`wrap_join`: what a layer does after a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from skep.errors import AlreadyJoined, WorkerCancelled, WorkerError
from skep.workers.completion import Outcome, absorb_cancel, failed, is_being_cancelled
from skep.workers.join import JoinHandler

if TYPE_CHECKING:
    from skep.workers.base import Worker

Post = Callable[[Outcome], Awaitable[Outcome]]
"""Gets how a worker ended and returns how it shall end instead."""


def wrap_join(worker: Worker, post: Post, *, name: str = "(unnamed)") -> Worker:
    """`worker` with `post` after its end: the way a layer acts after a worker.

    `post` gets how the worker ended (`None` or the error) and returns how it shall end instead; what it
    raises fails the worker with `name` in the message. It runs exactly once, also when nobody joins or the
    joiner is cancelled. When the token is cancelled while it waits, it is interrupted, and the worker is
    cancelled. The id and the cancel token stay; the worker handed in belongs to the one returned.
    No task is made unless nobody joins.

    Raises:
        AlreadyJoined: too late, `worker` was joined.
    """
    if not isinstance(worker, _Wrapped):
        worker = _Wrapped(_claim(worker))
    worker.add(name, post)
    return worker


class _Wrapped:
    """A worker whose end is followed by posts, inner to outer.

    The posts are a list with a cursor, so that whoever is at it (the joiner; a task of our own when nobody
    joins or the joiner is cancelled) goes on where the one before stopped.
    """

    __slots__ = (
        "_inner",
        "_interrupted",
        "_joined",
        "_next",
        "_outcome",
        "_performing",
        "_posts",
        "_rest",
        "cancel_token",
        "id",
    )

    def __init__(self, inner: JoinHandler) -> None:
        self.id = inner.id
        self.cancel_token = inner.cancel_token
        self._inner = inner
        self._posts: list[tuple[str, Post]] = []
        self._next = 0
        self._outcome: Outcome = None
        self._joined = False
        self._rest: asyncio.Task[Outcome] | None = None
        self._performing: asyncio.Task[object] | None = None
        self._interrupted = False
        inner.completion.on_resolved(self._ended)
        inner.cancel_token.on_cancel(self._interrupt)

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
            if self._rest is None:
                await self._inner.outcome()
            outcome = await (self._end() if self._rest is None else asyncio.shield(self._rest))
        except asyncio.CancelledError:
            if self._rest is None:
                self._go_on()
            raise
        if outcome is not None:
            raise outcome

    def _ended(self) -> None:
        """Go on without the joiner when there is none, or it is held up by a worker that does not stop."""
        if not self._joined or self._inner.left_behind:
            self._go_on()

    def _go_on(self) -> None:
        self._rest = rest = asyncio.get_running_loop().create_task(self._end())
        _background.add(rest)
        rest.add_done_callback(_background.discard)

    async def _end(self) -> Outcome:
        posts, turn = self._posts, self._next
        ended = self._inner.completion
        outcome = self._outcome if turn else ended.outcome if ended.resolved else await self._inner.outcome()
        task = self._performing = asyncio.current_task()
        asked = task.cancelling() if task is not None else 0
        try:
            while turn < len(posts):
                name, post = posts[turn]
                turn += 1
                try:
                    outcome = await post(outcome)
                except BaseException as error:  # noqa: BLE001 - a layer's fault fails its attempt and nothing else
                    outcome = self._failed(error, name)
                if self._interrupted:
                    # Meant for the post, whether it has felt it or not.
                    self._interrupted = False
                    await absorb_cancel(asked)
        finally:
            self._next = turn
            self._performing = None
        self._outcome = outcome
        return outcome

    def _failed(self, error: BaseException, name: str) -> Outcome:
        """What a post has raised as an outcome; raises what was meant for who performs it."""
        if not isinstance(error, asyncio.CancelledError):
            return error if isinstance(error, WorkerError) else failed(error, f"layer {name}: ")
        if not is_being_cancelled():
            return failed(error, f"layer {name}: ")
        self._outcome = WorkerCancelled(f"cancelled in layer {name}")
        if not self._interrupted:
            raise error
        return self._outcome

    def _interrupt(self, _reason: str) -> None:
        """The attempt is to end: a post that waits is not waited for."""
        if self._performing is not None and self._performing is not asyncio.current_task():
            self._interrupted = True
            self._performing.cancel()


_background: set[asyncio.Task[Outcome]] = set()
"""The event loop refers only weakly to its tasks."""


def _claim(worker: Worker) -> JoinHandler:
    """The worker's join, taken over; one of another make, without a completion, is joined by a task."""
    if not isinstance(worker, JoinHandler):
        joining = asyncio.get_running_loop().create_task(_joined(worker))
        worker = JoinHandler(worker.id, worker.cancel_token, joining)
    worker.claim()
    return worker


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
