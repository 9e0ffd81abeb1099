"""The worker port: how attempts are performed (DESIGN section 8).

A `Spawner` starts a `Worker` for one attempt; layers wrap spawners. A worker's value never travels through
`join`: it is emitted as a `final`, and `join` says only how the worker ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct, structs

from skep.core.budget import Account
from skep.core.outcomes import DispatchOutcome
from skep.core.outputs import Final, OutputEvent
from skep.core.tasks import TaskState
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.backends import NOBODY, OperatorInfo
from skep.workers.cancel import CancelToken
from skep.workers.completion import Completion, Outcome, error_text
from skep.workers.join import JoinHandler
from skep.workers.wrap import Post, wrap_join


class OwnActs(Protocol):
    """What a worker may do through the engine, under its attempt's own authority.

    It may start only agents of its own run, and touch only tasks that it started: these end with the attempt.
    """

    async def start_task(self, agent: str, directive: Any) -> str:
        """Open a child task; its id. Raises `NotRegistered`, `SpawnDepthExceeded`, `LimitExceeded`, `BadValue`."""
        ...

    async def dispatch_attempt(self, task_id: str) -> DispatchOutcome:
        """Run a child's next attempt, to its end or until it asks. Raises `DispatchFailed`, `InvalidTransition`."""
        ...

    async def poll_task(self, task_id: str, hold: float) -> TaskState:
        """A child once it has settled or is suspended. Raises `PollTimeout` after `hold` seconds."""
        ...

    async def read_task_state(self, task_id: str) -> TaskState:
        """A snapshot of a child, settled or not."""
        ...

    async def cancel_task(self, task_id: str) -> None:
        """End a child. Raises `InvalidTransition` when it has settled."""
        ...

    async def fetch_data(self, key: str) -> Any:
        """A resource of the worker's run. Raises `ResourceNotFound`."""
        ...


class RecordedCall(Struct, frozen=True):
    """A call of a script and its reply as canonical JSON; no reply: it is kept elsewhere, as an answer is."""

    branch: str
    name: str
    digest: str
    reply: bytes | None = None


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

    async def drained(self) -> None:
        """Return when the store has taken what was emitted so far: for a worker that can be slowed down.

        Raises:
            JournalFailed: the store has stopped.
        """
        ...

    def deliver(self, final: Final) -> None:
        """Record the result together with the end: for a worker whose last act it is. As `emit` otherwise."""
        ...

    def admit_folder(self, path: str) -> None:
        """Let files below `path`, the attempt's own folder, be handed in by `FileRef` beside those in `work_dir`."""
        ...

    def checkpoint(self, value: Any) -> None:
        """Keep `value` for the next attempt of this task. Raises `BadValue`, `LimitExceeded`."""
        ...

    def record_call(self, call: RecordedCall) -> None:
        """Keep a call for an attempt that begins anew after an interruption. Raises `LimitExceeded`."""
        ...

    async def recorded_calls(self) -> list[RecordedCall]:
        """What the attempts since the last failed one have recorded: empty unless this one was interrupted."""
        ...

    def append(self, event: OutputEvent, *, by: str) -> None:
        """Record a layer's override after the join, under the engine's authority (R-append)."""
        ...

    async def durable(self) -> None:
        """Return when what was recorded so far is durable. Raises `JournalFailed`."""
        ...

    def account(self) -> Account | None:
        """What the run has reserved and spent, if its attempts have a budget; nobody's to change."""
        ...

    def set_aside(self, name: str, value: Any, *, by: str) -> str:
        """Record a value as an artifact, for a layer; the reference by which `recall` finds it in this run."""
        ...

    async def recall(self, reference: str) -> Any:
        """A value that was set aside earlier in this run.

        Raises:
            ResourceNotFound: nothing was set aside by this reference.
        """
        ...

    async def joined(self, *, timed: bool = True) -> None:
        """The worker has ended: take nothing more from it, and return when what it delivered is durable.

        For layers, before they let a result out (R-once, R-ack). Without `timed` the attempt's deadline does not
        come any more: for layers that only look at the result.
        """
        ...

    def last_final(self) -> tuple[Any, bool] | None:
        """`(value, ok)` of the last inline `final`, or `None` (also for a `file_ref`)."""
        ...

    async def ask(
        self,
        question: Any,
        *,
        audience: str | Sequence[str] = "senior",
        schema: Any = None,
        deadline: float | None = None,
        default: Any = ...,
        approval: bool = False,
        allow_self: bool = False,
    ) -> Any:
        """Ask somebody outside and wait for the answer; the task is suspended meanwhile.

        After a crash, the k-th ask of the next attempt with the same audience, question and schema is the
        k-th of this one: what was answered is answered at once. A `deadline` (seconds) answers with
        `default`, if there is one.

        Raises:
            AnswerTimeout, QuestionClosed: there will be no answer.
            BadSchema, BadValue, LimitExceeded: it cannot be asked so.
        """
        ...

    async def offer(self, seat: str, payload: dict[str, Any]) -> None:
        """Offer the attempt to `seat` as a work item and wait until somebody's `final` was accepted.

        An offer that stands from before a restart is waited for as it is. `payload` is what the item shows
        beside its task, attempt and agent.

        Raises:
            QuestionClosed: the item was taken back.
        """
        ...

    async def next_directive(self, after: int) -> Any:
        """The directive number `after` (from 0) that was injected into the task, once there is one."""
        ...

    def final_ok(self) -> bool | None:
        """`ok` of the last `final`, whoever submitted it; `None` while there is none."""
        ...

    def acts(self) -> OwnActs:
        """What the worker may do with its own authority."""
        ...

    def token_id(self) -> str:
        """What tells the attempt's token from others: a digest, no authority."""
        ...

    def token(self) -> str:
        """The attempt's capability, signed and encoded; made when first asked for."""
        ...

    def handle(self) -> str:
        """The short stand-in for `token`, for workers that pull. Only with `Spawner.pulls`."""
        ...

    def worker_url(self) -> str | None:
        """Where workers that pull reach the engine's server; `None` when there is none."""
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
    answers: dict[str, Any] = {}
    """What the task's questions were answered with before this attempt, by key."""
    directives: tuple[Any, ...] = ()
    """What seniors have injected into the task before this attempt."""
    work_dir: str | None = None
    """The run's `work_dir`, an absolute path."""
    blueprint_dir: str | None = None
    system: str | None = None
    """The agent's system prompt, rendered with this input; `None` for an agent without a profile."""
    grace: float = 5.0
    """Seconds between the request to end and force."""
    operator: OperatorInfo = NOBODY
    """Who stands behind the agent, by the published cascade."""
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

        Waiting may be what performs the work. So whoever needs the end by a certain time asks for it by
        `cancel_token` and keeps a timer of its own: a function that ignores that can hold its joiner up.

        Raises:
            WorkerFailed: it ended without doing its work.
            WorkerCancelled: it was cancelled.
            AlreadyJoined: on the second call.
        """
        ...


class Spawner(Protocol):
    """Starts workers. `runs_ahead`: in this process, so its start need not wait for the journal (R-ack).

    One whose workers pull their work says `pulls = True`: each attempt has a `handle` then.
    """

    runs_ahead: bool

    async def spawn(self, ctx: Ctx) -> Worker:
        """Start a worker for this attempt.

        Raises:
            NotRegistered, RejectedByMiddleware, SpawnError: it was not started.
        """
        ...


Perform = Callable[[Ctx], Awaitable[None]]
"""Performs an attempt from its start to its end; raises what `Spawner.spawn` and `Worker.join` raise."""


class Performer(Spawner, Protocol):
    """A spawner that can do without a worker where no layer is around it and nothing but the end matters."""

    async def perform(self, ctx: Ctx) -> None:
        """What `spawn` and `join` would do, in the caller's asyncio task."""
        ...


def performing(spawner: Spawner | Performer) -> Perform:
    """How attempts are performed: by the spawner's own `perform`, if it is a `Performer`."""
    own: Perform | None = getattr(spawner, "perform", None)

    async def perform(ctx: Ctx) -> None:
        worker = await spawner.spawn(ctx)
        await worker.join()

    return own or perform


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

    async def close(self) -> None:
        """The engine closes: end what outlives the attempts."""
        ...


class WorkerResult(Struct, frozen=True):
    """What a worker function may return to say `ok=False` with a value."""

    value: Any = None
    ok: bool = True


class Reusable(Worker, Protocol):
    """A worker that performs many invocations, one at a time, while its lease lives.

    Cancelling its own token ends the lease; `join` returns after the last invocation and the cleanup.
    """

    @property
    def usable(self) -> bool:
        """Whether it can be invoked again."""
        ...

    async def invoke(self, ctx: Ctx) -> None:
        """Perform one invocation under `ctx`'s own attempt and token.

        Its result is in `ctx.channel.last_final()` then, as a file or a `partial` could not be returned.

        Raises:
            WorkerFailed: it ended without doing its work.
            WorkerCancelled: it was cancelled by `ctx`'s token.
        """
        ...


__all__ = [
    "AgentFactory",
    "Attempt",
    "BuildEnv",
    "CancelToken",
    "Completion",
    "Ctx",
    "JoinHandler",
    "Outcome",
    "OwnActs",
    "Perform",
    "Performer",
    "Post",
    "Previous",
    "RecordedCall",
    "Reusable",
    "Spawner",
    "Worker",
    "WorkerResult",
    "error_text",
    "performing",
    "wrap_join",
]
