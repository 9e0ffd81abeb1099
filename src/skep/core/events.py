"""The journal's events: what happened, never what to do (DESIGN section 5, *Events*).

Kinds and fields are the reference's and a superset of them. A value stands once, in the `worker_output`
that brought it; fields such as `result` of `task_pass` are filled in when events are shown outside.
`at` is milliseconds since the epoch.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from skep.core.event import Event
from skep.core.outputs import Artifact, ContentRef, Final
from skep.core.question_events import (
    QuestionAnswered,
    QuestionAsked,
    QuestionClosed,
    SeniorAnswered,
    SeniorQueried,
    TaskResumed,
    TaskSuspended,
    WorkClaimed,
    WorkReleased,
    WorkRenewed,
)
from skep.core.retry import RetryPolicy
from skep.core.session_events import (
    OperatorChoice,
    SessionAttached,
    SessionDetached,
    SessionSeen,
    TokenMinted,
    TokenRevoked,
    TokenUsed,
)

Durability = Literal["group", "step"]
RunEnd = Literal["done", "failed", "cancelled", "timeout"]
FailureReason = Literal["error", "timeout", "blocked", "cancelled", "interrupted"]


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
    starter: str = "owner"
    """The principal who started it."""
    nonce: str | None = None
    """Keys the run's own token, narrowed from its launcher's to `run:ID`."""
    launcher: str | None = None
    """The nonce of the launcher's token; the owner of the process has none."""
    launchers: tuple[str, ...] = ()
    """The sessions whose logs hold that token and those that it was narrowed from."""
    operator: OperatorChoice | None = None
    """Who stands behind its agents, as the launch says."""


class RunRecovered(Event, frozen=True, tag="run_recovered"):
    """A new owner took the run over; `generation` is that of its lease."""

    run_id: str
    generation: int


class RunCancelRequested(Event, frozen=True, tag="run_cancel_requested"):
    """`reason` `timeout` ends the run as `timeout`, anything else as `cancelled`."""

    run_id: str
    reason: str
    request: str | None = None


class RunFinished(Event, frozen=True, tag="run_finished"):
    """`result` for `done`; `error` is `{"code", "message", "step"?}` for the rest."""

    run_id: str
    status: RunEnd
    result: ContentRef | None = None
    error: dict[str, Any] | None = None


class TimerStarted(Event, frozen=True, tag="timer_started"):
    """A `wait` node waits until `due`."""

    run_id: str
    key: str
    due: int


class TimerFired(Event, frozen=True, tag="timer_fired"):
    run_id: str
    key: str


class SignalReceived(Event, frozen=True, tag="signal_received"):
    """A named signal for the run's `wait` nodes; one that nobody waits for yet is kept."""

    run_id: str
    name: str
    by: str
    value: ContentRef | None = None
    request: str | None = None


class ResourceSet(Event, frozen=True, tag="resource_set"):
    """A value that the run's workers may fetch by `key`."""

    run_id: str
    key: str
    value: ContentRef
    by: str
    request: str | None = None


class LoopPaused(Event, frozen=True, tag="loop_paused"):
    """The run begins no further attempt until `loop_resumed`."""

    run_id: str
    by: str
    request: str | None = None


class LoopResumed(Event, frozen=True, tag="loop_resumed"):
    run_id: str
    by: str
    request: str | None = None


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
    """A `final` or `artifact`; `by` names who appended it when that was not the worker (R-append).

    `request` is that of the inbox message that brought it.
    """

    task_id: str
    attempt: int
    event: Final | Artifact
    by: str | None = None
    request: str | None = None


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


class CallRecorded(Event, frozen=True, tag="call_recorded"):
    """A call of a worker that is run again from its record after an interruption; `reply` null: it is kept elsewhere.

    `branch` is the script of the attempt that called, `digest` the SHA-256 of the arguments.
    """

    task_id: str
    attempt: int
    branch: str
    name: str
    digest: str
    reply: ContentRef | None = None


class DirectiveInjected(Event, frozen=True, tag="directive_injected"):
    """A word of a senior to a task: its live worker gets it if it listens, its next attempt in any case."""

    task_id: str
    directive: ContentRef
    by: str
    request: str | None = None


class VerdictOverridden(Event, frozen=True, tag="verdict_overridden"):
    """Whatever its worker says, the task ends with this: `mark_pass`, `mark_blocked`, `override_verdict`."""

    task_id: str
    ok: bool
    value: ContentRef
    by: str
    request: str | None = None


class PromptBaked(Event, frozen=True, tag="prompt_baked"):
    """What one attempt is given in place of its own: a prompt, a system prompt (`no_system`: none at all)."""

    task_id: str
    attempt: int
    prompt: str | None = None
    system: str | None = None
    no_system: bool = False


AnyEvent = (
    RunStarted
    | RunRecovered
    | RunCancelRequested
    | RunFinished
    | TaskCreated
    | TaskAttemptStarted
    | WorkerOutput
    | TaskCheckpoint
    | CallRecorded
    | TaskAttemptCompleted
    | TaskAttemptInterrupted
    | TaskPass
    | TaskBlocked
    | TaskTimeout
    | TaskCancelled
    | DirectiveInjected
    | VerdictOverridden
    | PromptBaked
    | TimerStarted
    | TimerFired
    | SignalReceived
    | ResourceSet
    | LoopPaused
    | LoopResumed
    | QuestionAsked
    | SeniorQueried
    | QuestionAnswered
    | SeniorAnswered
    | QuestionClosed
    | TaskSuspended
    | TaskResumed
    | WorkClaimed
    | WorkRenewed
    | WorkReleased
    | SessionAttached
    | SessionDetached
    | SessionSeen
    | TokenMinted
    | TokenUsed
    | TokenRevoked
)

EVENT_TYPES: tuple[type[Event], ...] = get_args(AnyEvent)
