"""Decisions about tasks: `decide(state, command, now) -> events`. Nothing here changes a state.

Each function checks that its command is allowed and returns the events that carry it out; the caller commits
them, which applies them (R-fold). Times are milliseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from skep import values
from skep.core import events as ev
from skep.core.outputs import Artifact, ContentRef, Final
from skep.core.question_events import CloseReason
from skep.core.retry import RetryPolicy
from skep.core.state import EngineState
from skep.core.tasks import SETTLED, TaskState, Verdict, check_transition
from skep.errors import (
    AttemptEnded,
    BudgetExhausted,
    InvalidTransition,
    LimitExceeded,
    SpawnDepthExceeded,
    TaskNotFound,
)
from skep.limits import DEFAULT_LIMITS, Limits

OnInterrupt = Literal["retry", "fail"]


class Failure(Struct, frozen=True):
    """How an attempt failed; `message` and `code` come from the error."""

    reason: ev.FailureReason
    message: str | None = None
    code: str | None = None


NO_FINAL = Failure("error", "no Final in output_tail", "E-DISPATCH")


def get_task(state: EngineState, task_id: str) -> TaskState:
    """The open task, or `TaskNotFound`."""
    task = state.tasks.get(task_id)
    if task is None:
        raise TaskNotFound(f"no open task {task_id}")
    return task


def create_task(
    state: EngineState,
    *,
    task_id: str,
    agent: str,
    at: int,
    run_id: str | None = None,
    session_id: str | None = None,
    step_key: str | None = None,
    digest: str | None = None,
    directive: ContentRef | None = None,
    parent: str | None = None,
    retry: RetryPolicy | None = None,
    timeout_ms: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ev.TaskCreated:
    """Open a task, a flow step's (`step_key`) or a started one, perhaps a child of `parent`.

    Raises:
        SpawnDepthExceeded: the child would be deeper than `max_spawn_depth`.
        LimitExceeded: `max_children` of the parent or `max_open_tasks` of the run.
    """
    depth = 0
    if parent is not None:
        above = get_task(state, parent)
        depth = above.depth + 1
        if depth > limits.max_spawn_depth:
            raise SpawnDepthExceeded(depth, limits.max_spawn_depth)
        if above.children >= limits.max_children:
            raise LimitExceeded("max_children", limits.max_children, where=f"task {parent}")
    if run_id is not None and state.runs[run_id].open_tasks >= limits.max_open_tasks:
        raise LimitExceeded(
            "max_open_tasks", limits.max_open_tasks, where=f"run {run_id}", fix="set max_concurrency"
        )
    return ev.TaskCreated(
        at=at,
        task_id=task_id,
        agent=agent,
        run_id=run_id,
        session_id=session_id,
        step_key=step_key,
        digest=digest,
        directive=directive,
        parent=parent,
        depth=depth,
        retry=retry,
        timeout_ms=timeout_ms,
    )


def start_attempt(
    task: TaskState, at: int, nonce: str, handle_digest: str | None = None
) -> ev.TaskAttemptStarted:
    """The next attempt begins; its deadline is an absolute time.

    Raises:
        InvalidTransition: the task is not pending, or an earlier attempt's worker has not ended.
    """
    if task.status != "pending":
        raise InvalidTransition(f"task {task.id} is {task.status} and cannot start an attempt")
    if task.live:
        raise InvalidTransition(f"task {task.id} still has a live attempt {task.attempt}")
    return ev.TaskAttemptStarted(
        at=at,
        task_id=task.id,
        attempt=task.attempt + 1,
        nonce=nonce,
        handle=handle_digest,
        deadline=at + task.timeout_ms if task.timeout_ms is not None else None,
    )


def first_attempt(
    created: ev.TaskCreated, nonce: str, handle_digest: str | None = None
) -> ev.TaskAttemptStarted:
    """The first attempt of a task that is created in the same commit."""
    return ev.TaskAttemptStarted(
        at=created.at,
        task_id=created.task_id,
        attempt=1,
        nonce=nonce,
        handle=handle_digest,
        deadline=created.at + created.timeout_ms if created.timeout_ms is not None else None,
    )


def record_output(
    task: TaskState | None,
    attempt: int,
    output: Final | Artifact,
    at: int,
    *,
    by: str | None = None,
    request: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ev.WorkerOutput:
    """Record a final or an artifact of a live attempt.

    Raises:
        AttemptEnded: the task has settled, or this attempt is not its live one (R-once).
        LimitExceeded: `output_tail`.
    """
    if by is None or type(output) is Final or not _still_runs(task, attempt):
        check_live(task, attempt)
    assert task is not None  # noqa: S101 - check_live
    if task.outputs >= limits.output_tail:
        raise LimitExceeded("output_tail", limits.output_tail, where=f"task {task.id} attempt {attempt}")
    return ev.WorkerOutput(at=at, task_id=task.id, attempt=attempt, event=output, by=by, request=request)


def _still_runs(task: TaskState | None, attempt: int) -> bool:
    """Also a worker whose task was cancelled: layers take note of its end."""
    return task is not None and task.live and task.attempt == attempt


def check_live(task: TaskState | None, attempt: int) -> None:
    """Raises `AttemptEnded` unless `attempt` is the task's live one and the task is not settled."""
    if task is None or not task.live or task.attempt != attempt or task.status in SETTLED:
        name = task.id if task is not None else "(settled)"
        raise AttemptEnded(
            f"attempt {attempt} of task {name} has ended", fix="nothing that it sends counts any more"
        )


def complete_attempt(
    task: TaskState, failure: Failure | None, at: int, delivered: Final | None = None
) -> tuple[ev.Event, ...]:
    """The attempt's worker has ended: the last `final` decides, unless the worker failed (R-once).

    The task passes, waits for its next attempt, or settles as blocked or timed out. Of a cancelled task only
    the end of its worker is noted. `delivered` is a final that came with the end and is not recorded yet.
    """
    if not task.live:
        raise InvalidTransition(f"task {task.id} has no live attempt")
    if task.status == "cancelled":
        return (_completed(task, at, Failure("cancelled")),)
    if task.open_asks or task.work is not None or task.verdict is not None:
        return _complete_unusual(task, failure, at, delivered)
    return _complete(task, failure, at, delivered)


def _complete(
    task: TaskState, failure: Failure | None, at: int, delivered: Final | None
) -> tuple[ev.Event, ...]:
    failure = judge(failure, delivered or task.final)
    ended = _passed(task, at) if failure is None else _failed(task, failure, at)
    if delivered is None:
        return ended
    return (ev.WorkerOutput(at=at, task_id=task.id, attempt=task.attempt, event=delivered), *ended)


def _complete_unusual(
    task: TaskState, failure: Failure | None, at: int, delivered: Final | None
) -> tuple[ev.Event, ...]:
    """An attempt that ends with open questions, as a work item, or under a verdict from above."""
    closed = close_questions(task, at, "settled")
    verdict = task.verdict
    if verdict is None:
        return (*closed, *_complete(task, failure, at, delivered))
    return (*closed, *_overridden(task, verdict, at))


def _overridden(task: TaskState, verdict: Verdict, at: int) -> tuple[ev.Event, ...]:
    """The verdict from above is the last final, and there is no further attempt."""
    final = Final(verdict.value, verdict.ok)
    said = ev.WorkerOutput(at=at, task_id=task.id, attempt=task.attempt, event=final, by=verdict.by)
    if verdict.ok:
        ended: tuple[ev.Event, ...] = _passed(task, at)
    else:
        blocked = Failure("blocked")
        ended = (_completed(task, at, blocked), _settled(task, at, blocked))
    return (said, *(ended if task.live else ended[1:]))


def override_verdict(
    task: TaskState, verdict: Verdict, at: int, request: str | None = None
) -> tuple[ev.Event, ...]:
    """The task is to end as `verdict` says: at once, or when its worker, who is told to end, has ended.

    Raises:
        InvalidTransition: it has settled.
    """
    check_transition(task, "pass" if verdict.ok else "blocked")
    overridden = ev.VerdictOverridden(
        at=at, task_id=task.id, ok=verdict.ok, value=verdict.value, by=verdict.by, request=request
    )
    if task.live:
        return (overridden,)
    return (overridden, *close_questions(task, at, "settled"), *_overridden(task, verdict, at))


def close_questions(task: TaskState, at: int, reason: CloseReason) -> tuple[ev.Event, ...]:
    """Everything that the task still asks, and the offer of its work, is taken back."""
    asks = (key for key, asked in (task.asks or {}).items() if asked.answer is None and asked.closed is None)
    return _close((*asks, task.work), task, at, reason)


def _close(keys: Iterable[str | None], task: TaskState, at: int, reason: CloseReason) -> tuple[ev.Event, ...]:
    return tuple(
        ev.QuestionClosed(at=at, key=key, reason=reason, task_id=task.id) for key in keys if key is not None
    )


def judge(failure: Failure | None, final: Final | None) -> Failure | None:
    """Why an attempt with this last final has not passed; `None` if it has."""
    if failure is not None:
        return failure
    if final is None:
        return NO_FINAL
    return None if final.ok else Failure("blocked")


def _passed(task: TaskState, at: int) -> tuple[ev.Event, ...]:
    completed = ev.TaskAttemptCompleted(at=at, task_id=task.id, attempt=task.attempt, ok=True)
    return (completed, ev.TaskPass(at=at, task_id=task.id))


def _failed(task: TaskState, failure: Failure, at: int) -> tuple[ev.Event, ...]:
    if failure.reason == "cancelled":
        return (ev.TaskCancelled(at=at, task_id=task.id), _completed(task, at, failure))
    may = failure.reason in task.retry.on and failure.code != BudgetExhausted.code
    if may and task.failures + 1 < task.retry.max_attempts:
        return (_completed(task, at, failure, at + task.retry.backoff.delay_ms(task.failures + 1)),)
    return (_completed(task, at, failure), _settled(task, at, failure))


def interrupt_attempt(
    task: TaskState, at: int, *, on_interrupt: OnInterrupt = "retry", limits: Limits = DEFAULT_LIMITS
) -> tuple[ev.Event, ...]:
    """The host died or closed under the attempt: back to pending, or blocked when it may not go on.

    A task with open questions stays suspended: the last answer makes it pending.
    """
    if task.status == "cancelled":
        return (_completed(task, at, Failure("interrupted")),)
    interrupted = ev.TaskAttemptInterrupted(at=at, task_id=task.id, attempt=task.attempt)
    if on_interrupt == "fail":
        message = f"attempt {task.attempt} was interrupted and its agent says on_interrupt: fail"
    elif task.interruptions + 1 > limits.max_interruptions:
        message = f"interrupted {task.interruptions + 1} times, more than max_interruptions {limits.max_interruptions}"
    else:
        return (*_close((task.work,), task, at, "withdrawn"), interrupted)
    blocked = ev.TaskBlocked(
        at=at, task_id=task.id, reason="interrupted", message=message, code="E-INTERRUPTED"
    )
    return (*close_questions(task, at, "settled"), interrupted, blocked)


def cancel_task(task: TaskState, at: int) -> tuple[ev.Event, ...]:
    """The task ends as cancelled and its questions are closed. Raises `InvalidTransition` if it is settled."""
    check_transition(task, "cancelled")
    cancelled = ev.TaskCancelled(at=at, task_id=task.id)
    if task.open_asks or task.work is not None:
        return (*close_questions(task, at, "cancelled"), cancelled)
    return (cancelled,)


def request_cancel(
    state: EngineState, run_id: str, reason: str, at: int, request: str | None = None
) -> tuple[ev.Event, ...]:
    """Ask an open run to end; a second request changes nothing. `request` is that of an inbox message."""
    if state.runs[run_id].cancel_reason is not None:
        return ()
    reason = values.clean_text(reason)
    return (ev.RunCancelRequested(at=at, run_id=run_id, reason=reason, request=request),)


def _completed(task: TaskState, at: int, failure: Failure, retry_at: int | None = None) -> ev.Event:
    return ev.TaskAttemptCompleted(
        at=at,
        task_id=task.id,
        attempt=task.attempt,
        ok=False,
        reason=failure.reason,
        message=_message(failure),
        code=failure.code,
        retry_at=retry_at,
    )


def _settled(task: TaskState, at: int, failure: Failure) -> ev.Event:
    message = _message(failure)
    if failure.reason == "timeout":
        return ev.TaskTimeout(at=at, task_id=task.id, message=message)
    return ev.TaskBlocked(at=at, task_id=task.id, reason=failure.reason, message=message, code=failure.code)


def _message(failure: Failure) -> str | None:
    return values.clean_text(failure.message) if failure.message is not None else None
