"""The journal's events: what happened, never what to do (DESIGN section 5, *Events*).

Kinds and fields are the reference's and a superset of them. A value stands once, in the `worker_output`
that brought it; fields such as `result` of `task_pass` are filled in when events are shown outside.
`at` is milliseconds since the epoch.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from msgspec import Struct

from skep.core.outputs import Artifact, ContentRef, Final
from skep.core.retry import RetryPolicy
from skep.core.roles import Role

Durability = Literal["group", "step"]
RunEnd = Literal["done", "failed", "cancelled", "timeout"]
FailureReason = Literal["error", "timeout", "blocked", "cancelled", "interrupted"]


class Event(Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True, gc=False):
    """One fact."""

    at: int


# -- runs --------------------------------------------------------------------------------------


class RunStarted(Event, frozen=True, tag="run_started"):
    """`blueprint` is the version (SHA-256 of the canonical document, itself an artifact)."""

    run_id: str
    blueprint: str
    blueprint_id: str
    input: ContentRef
    work_dir: str
    blueprint_dir: str | None = None
    trust: Literal["trusted", "untrusted"] = "trusted"
    durability: Durability = "group"
    deadline: int | None = None


class RunRecovered(Event, frozen=True, tag="run_recovered"):
    """A new owner took the run over; `generation` is that of its lease."""

    run_id: str
    generation: int


class RunCancelRequested(Event, frozen=True, tag="run_cancel_requested"):
    """`reason` `timeout` ends the run as `timeout`, anything else as `cancelled`."""

    run_id: str
    reason: str


class RunFinished(Event, frozen=True, tag="run_finished"):
    """`result` for `done`; `error` is `{"code", "message", "step"?}` for the rest."""

    run_id: str
    status: RunEnd
    result: ContentRef | None = None
    error: dict[str, Any] | None = None


# -- tasks -------------------------------------------------------------------------------------


class TaskCreated(Event, frozen=True, tag="task_created"):
    """A flow step has `run_id`, `step_key`, `digest` (of its input); a started task has `directive`."""

    task_id: str
    agent: str
    run_id: str | None = None
    session_id: str | None = None
    step_key: str | None = None
    digest: str | None = None
    directive: ContentRef | None = None
    parent: str | None = None
    depth: int = 0
    retry: RetryPolicy | None = None
    timeout_ms: int | None = None


class TaskAttemptStarted(Event, frozen=True, tag="task_attempt_started"):
    """`nonce` keys the attempt's token; `handle` is the SHA-256 of its handle, if one was made."""

    task_id: str
    attempt: int
    nonce: str
    handle: str | None = None
    deadline: int | None = None


class WorkerOutput(Event, frozen=True, tag="worker_output"):
    """A `final` or `artifact`; `by` names who appended it when that was not the worker (R-append)."""

    task_id: str
    attempt: int
    event: Final | Artifact
    by: str | None = None


class TaskCheckpoint(Event, frozen=True, tag="task_checkpoint"):
    """`checkpoint(value)` of an attempt; the next attempt finds it as `last_checkpoint`."""

    task_id: str
    attempt: int
    value: ContentRef


class TaskAttemptCompleted(Event, frozen=True, tag="task_attempt_completed"):
    """The attempt's worker has ended. With `retry_at` the task waits for its next attempt."""

    task_id: str
    attempt: int
    ok: bool
    reason: FailureReason | None = None
    message: str | None = None
    code: str | None = None
    retry_at: int | None = None


class TaskAttemptInterrupted(Event, frozen=True, tag="task_attempt_interrupted"):
    """The host died under the attempt, or closed in an orderly way (`counted` false)."""

    task_id: str
    attempt: int
    counted: bool = True


class TaskPass(Event, frozen=True, tag="task_pass"):
    task_id: str


class TaskBlocked(Event, frozen=True, tag="task_blocked"):
    """`reason` says whether the worker said no (`blocked`) or failed (`error`, `interrupted`)."""

    task_id: str
    reason: FailureReason = "blocked"
    message: str | None = None
    code: str | None = None


class TaskTimeout(Event, frozen=True, tag="task_timeout"):
    task_id: str
    message: str | None = None


class TaskCancelled(Event, frozen=True, tag="task_cancelled"):
    """From here on nothing the worker does counts; its end comes as `task_attempt_completed`."""

    task_id: str


# -- sessions and authority --------------------------------------------------------------------


class SessionAttached(Event, frozen=True, tag="session_attached"):
    session_id: str
    operator_id: str
    role: Role
    nonce: str
    expire_at: int
    max_uses: int | None = None
    scopes: tuple[str, ...] = ("*",)


class TokenUsed(Event, frozen=True, tag="token_used"):
    """One use of a token with limited uses."""

    nonce: str


class TokenRevoked(Event, frozen=True, tag="token_revoked"):
    nonce: str


AnyEvent = (
    RunStarted
    | RunRecovered
    | RunCancelRequested
    | RunFinished
    | TaskCreated
    | TaskAttemptStarted
    | WorkerOutput
    | TaskCheckpoint
    | TaskAttemptCompleted
    | TaskAttemptInterrupted
    | TaskPass
    | TaskBlocked
    | TaskTimeout
    | TaskCancelled
    | SessionAttached
    | TokenUsed
    | TokenRevoked
)

EVENT_TYPES: tuple[type[Event], ...] = get_args(AnyEvent)
