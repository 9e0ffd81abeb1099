"""The worker port: how attempts are performed (DESIGN section 8).

A `Spawner` starts a `Worker` for one attempt; layers wrap spawners. A worker's value never travels through
`join`: it is emitted as a `final`, and `join` says only how the worker ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct, structs

from skep.core.outputs import OutputEvent
from skep.errors import AlreadyJoined, WorkerCancelled, WorkerError, WorkerFailed
from skep.limits import DEFAULT_LIMITS, Limits


class CancelToken:
    """A one-way signal: cancelled once, for one reason, seen by everyone who asks."""

    __slots__ = ("_callbacks", "reason")

    def __init__(self) -> None:
        self.reason: str | None = None
        self._callbacks: list[Callable[[str], object]] | None = None

    @property
    def cancelled(self) -> bool:
        return self.reason is not None

    def cancel(self, reason: str = "cancelled") -> None:
        """Cancel; later calls change nothing. Callbacks run at once, in order of registration."""
        if self.reason is not None:
            return
        self.reason = reason
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback(reason)

    def on_cancel(self, callback: Callable[[str], object]) -> None:
        """Call `callback(reason)` when cancelled; at once if that is past."""
        if self.reason is not None:
            callback(self.reason)
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    async def wait(self) -> str:
        """Wait until cancelled; returns the reason."""
        if self.reason is None:
            woken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self.on_cancel(lambda reason: None if woken.done() else woken.set_result(reason))
            await woken
        assert self.reason is not None  # noqa: S101 - narrows the type
        return self.reason


class Attempt(Protocol):
    """The engine's side of one running attempt: what a worker may do with it.

    Every method raises `AttemptEnded` once the attempt's channel is closed (R-once).
    """

    def emit(self, event: OutputEvent) -> None:
        """Record one output. Raises `BadFileRef`, `LimitExceeded`."""
        ...

    def emit_many(self, events: Sequence[OutputEvent]) -> None:
        """Record outputs in one transition."""
        ...

    def checkpoint(self, value: Any) -> None:
        """Keep `value` for the next attempt of this task. Raises `BadValue`, `LimitExceeded`."""
        ...

    def append(self, event: OutputEvent, *, by: str) -> None:
        """Record a layer's override after the join, under the engine's authority (R-append)."""
        ...

    def last_final(self) -> tuple[Any, bool] | None:
        """`(value, ok)` of the last inline `final`, or `None` (also for a `file_ref`)."""
        ...

    def token(self) -> str:
        """The attempt's capability, signed and encoded; made when first asked for."""
        ...

    def handle(self) -> str:
        """The short stand-in for `token`, for workers that pull. Only with `Spawner.pulls`."""
        ...


class Previous(Struct, frozen=True):
    """Why the attempt before this one ended."""

    attempt: int
    reason: str
    message: str | None = None


class Ctx(Struct, frozen=True, kw_only=True):
    """Everything a spawner and its layers know about one attempt. Layers hand on a changed copy."""

    task_id: str
    attempt: int
    agent: str
    prompt: str
    """The directive as text: a string input verbatim, anything else compact JSON with sorted keys."""
    input: Any
    """The step's input as a JSON value; a copy that the worker may change."""
    idempotency_key: str
    """The same for all attempts of a task, and after recovery."""
    cancel_token: CancelToken
    channel: Attempt
    run_id: str | None = None
    step_key: str | None = None
    previous: Previous | None = None
    last_checkpoint: Any = None
    work_dir: str | None = None
    """The run's `work_dir`, an absolute path."""
    blueprint_dir: str | None = None
    system: str | None = None
    """The agent's system prompt, not yet rendered."""
    grace: float = 5.0
    """Seconds between the request to end and force."""
    meta: dict[str, Any] = {}
    """The reference's `meta.runtime`: what layers hand inward."""

    def replace(self, **changes: Any) -> Ctx:
        """A copy with `changes`."""
        return structs.replace(self, **changes)


class Worker(Protocol):
    """One started worker."""

    id: str
    cancel_token: CancelToken

    async def join(self) -> None:
        """Wait for the end, cleanup included; once.

        Raises:
            WorkerFailed: it ended without doing its work.
            WorkerCancelled: it was cancelled.
            AlreadyJoined: on the second call.
        """
        ...


class Spawner(Protocol):
    """Starts workers. `runs_ahead`: in this process, so its start need not wait for the journal (R-ack)."""

    runs_ahead: bool

    async def spawn(self, ctx: Ctx) -> Worker:
        """Start a worker for this attempt.

        Raises:
            NotRegistered, RejectedByMiddleware, SpawnError: it was not started.
        """
        ...


class BuildEnv(Struct, frozen=True, kw_only=True):
    """What a kind may know when it builds the spawner of one agent."""

    blueprint_dir: str | None = None
    """The Blueprint's folder, an absolute path; `None` for one that is not a file."""
    work_dir: str | None = None
    trusted: bool = True
    limits: Limits = DEFAULT_LIMITS


class AgentFactory(Protocol):
    """One worker kind: builds the spawner of an agent from its `spec`."""

    def build(self, agent: str, spec: Any, env: BuildEnv) -> Spawner:
        """Raises `SkepError` when the spec cannot be used (lint has checked its shape before)."""
        ...


class WorkerResult(Struct, frozen=True):
    """What a worker function may return to say `ok=False` with a value."""

    value: Any = None
    ok: bool = True


class Reusable(Worker, Protocol):
    """A worker that performs many invocations while its lease lives; `join` is its last one plus cleanup."""

    async def invoke(self, ctx: Ctx) -> WorkerResult:
        """Perform one invocation under `ctx`'s own attempt and token."""
        ...


Outcome = WorkerError | None
"""How a join ended: `None`, `WorkerFailed` or `WorkerCancelled`."""


class JoinHandler:
    """The building block of every worker: an id, a cancel token and a completion.

    `completion` resolves to `None` or raises; a future that is cancelled or a coroutine that ends by
    anything else than these is `WorkerFailed("worker completion channel closed")`.
    """

    __slots__ = ("_completion", "_joined", "cancel_token", "id")

    def __init__(self, worker_id: str, cancel: CancelToken, completion: asyncio.Future[Outcome]) -> None:
        self.id = worker_id
        self.cancel_token = cancel
        self._completion = completion
        self._joined = False

    @property
    def completion(self) -> asyncio.Future[Outcome]:
        """Resolves to how the worker ended; for those who compose workers."""
        return self._completion

    async def join(self) -> None:
        if self._joined:
            raise AlreadyJoined(f"worker {self.id} was joined before")
        self._joined = True
        outcome = await settle_outcome(self._completion)
        if outcome is not None:
            raise outcome


async def settle_outcome(completion: asyncio.Future[Outcome]) -> Outcome:
    """The outcome of a completion, shielded from the waiter's own cancellation."""
    try:
        return await asyncio.shield(completion)
    except asyncio.CancelledError:
        if completion.cancelled():
            return WorkerFailed("worker completion channel closed")
        raise
    except WorkerError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever a third-party spawner's completion raises fails its attempt
        return WorkerFailed(f"{type(error).__name__}: {error}")


Post = Callable[[Outcome], Awaitable[Outcome]]


class _Wrapped:
    """A worker whose end is followed by `post`, exactly once, joined or not."""

    __slots__ = ("_done", "_inner", "_joined", "_post", "_task", "cancel_token", "id")

    def __init__(self, inner: Worker, post: Post) -> None:
        self.id = inner.id
        self.cancel_token = inner.cancel_token
        self._inner = inner
        self._post = post
        self._joined = False
        self._task: asyncio.Task[Outcome] | None = None
        self._done = self._watch(inner)

    @property
    def completion(self) -> asyncio.Future[Outcome] | None:
        return self._done

    def _watch(self, inner: Worker) -> asyncio.Future[Outcome] | None:
        completion: asyncio.Future[Outcome] | None = getattr(inner, "completion", None)
        if completion is not None:
            completion.add_done_callback(self._unjoined)
        return completion

    def _unjoined(self, _: object) -> None:
        if not self._joined and self._task is None and not isinstance(self._inner, _Wrapped):
            self._task = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> Outcome:
        try:
            await self._inner.join()
            outcome: Outcome = None
        except (WorkerFailed, WorkerCancelled) as error:
            outcome = error
        return await self._post(outcome)

    async def join(self) -> None:
        if self._joined:
            raise AlreadyJoined(f"worker {self.id} was joined before")
        self._joined = True
        outcome = await (self._end() if self._task is None else asyncio.shield(self._task))
        if outcome is not None:
            raise outcome


def wrap_join(worker: Worker, post: Post) -> Worker:
    """`worker` with `post` after its end: the way a layer acts after a worker.

    `post` gets how the worker ended (`None` or the error) and returns how it shall end instead. The id and
    the cancel token stay. It composes coroutines: no task is made, unless nobody joins.
    """
    return _Wrapped(worker, post)


def error_text(error: BaseException) -> str:
    """`ValueError: bad` for a foreign error, the bare message for skep's own."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


__all__ = [
    "AgentFactory",
    "Attempt",
    "BuildEnv",
    "CancelToken",
    "Ctx",
    "JoinHandler",
    "Outcome",
    "Post",
    "Previous",
    "Reusable",
    "Spawner",
    "Worker",
    "WorkerResult",
    "error_text",
    "settle_outcome",
    "wrap_join",
]
