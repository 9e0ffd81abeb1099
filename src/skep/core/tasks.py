"""A task, its status and the transitions that exist (DESIGN section 5, *Tasks*)."""

from __future__ import annotations

from copy import copy
from typing import Literal

from msgspec import Struct

from skep.core.outputs import ContentRef, Final
from skep.core.question_events import CloseReason
from skep.core.retry import NO_RETRY, RetryPolicy
from skep.errors import InvalidTransition

TaskStatus = Literal["pending", "running", "suspended", "pass", "blocked", "cancelled", "timeout"]

TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    "pending": frozenset({"running", "suspended", "pass", "blocked", "cancelled"}),
    "running": frozenset({"pending", "suspended", "pass", "blocked", "cancelled", "timeout"}),
    "suspended": frozenset({"running", "pending", "pass", "blocked", "cancelled", "timeout"}),
    "pass": frozenset(),
    "blocked": frozenset(),
    "cancelled": frozenset(),
    "timeout": frozenset(),
}
"""From each status to those it may become; whatever is not here is `InvalidTransition`."""

SETTLED: frozenset[TaskStatus] = frozenset(status for status, next_ in TRANSITIONS.items() if not next_)


class Previous(Struct, frozen=True):
    """Why the last attempt of a task ended."""

    attempt: int
    reason: str
    message: str | None = None


class Asked(Struct):
    """A question of a task, from the ask until the task's present line of attempts ends.

    `answer` is there once it was answered; `closed` says why it never will be.
    """

    digest: str
    answer: ContentRef | None = None
    closed: CloseReason | None = None


class Verdict(Struct, frozen=True):
    """What a task ends with, whatever its worker says; `by` is who said so."""

    ok: bool
    value: ContentRef
    by: str


class Baked(Struct, frozen=True):
    """What one attempt is given in place of its own prompt (null: keep it) or system prompt."""

    attempt: int
    prompt: str | None = None
    system: str | None = None
    no_system: bool = False


class TaskState(Struct, kw_only=True):
    """One unit of an agent's work. Times are milliseconds since the epoch.

    `live` says that an attempt's worker may still run: a cancelled task stays in memory until it has ended.
    A task is suspended while it has open questions: `suspended_on` is the one that suspended it.
    """

    id: str
    agent: str
    log: str
    run_id: str | None = None
    session_id: str | None = None
    step_key: str | None = None
    digest: str | None = None
    directive: ContentRef | None = None
    parent: str | None = None
    depth: int = 0
    children: int = 0
    retry: RetryPolicy = NO_RETRY
    timeout_ms: int | None = None
    status: TaskStatus = "pending"
    attempt: int = 0
    failures: int = 0
    interruptions: int = 0
    live: bool = False
    nonce: str | None = None
    handle: str | None = None
    deadline: int | None = None
    retry_at: int | None = None
    final: Final | None = None
    outputs: int = 0
    checkpoint: ContentRef | None = None
    previous: Previous | None = None
    suspended_on: str | None = None
    suspended_at: int = 0
    asks: dict[str, Asked] | None = None
    """Its questions by key, in the order in which they were asked."""
    asked: int = 0
    """How many it ever asked: numbers their keys."""
    open_asks: int = 0
    work: str | None = None
    """The key of the work item that its live attempt is offered as."""
    verdict: Verdict | None = None
    directives: tuple[ContentRef, ...] = ()
    baked: tuple[Baked, ...] = ()
    """What its present and its next attempt are given in place of their own."""
    created_at: int = 0
    started_at: int = 0
    updated_at: int = 0

    def baked_for(self, attempt: int) -> Baked | None:
        """What the attempt with this number is given in place of its own, if anything."""
        return next((baked for baked in self.baked if baked.attempt == attempt), None)

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts: run and step key, or the task's own id."""
        return f"{self.run_id}/{self.step_key}" if self.step_key is not None else self.id

    def snapshot(self) -> TaskState:
        """A copy that later events do not change; its parts are immutable."""
        return copy(self)


def check_transition(task: TaskState, status: TaskStatus) -> None:
    """Raises `InvalidTransition` unless `task` may become `status`.

    >>> check_transition(TaskState(id="T-1", agent="a", log="run:1"), "running")
    """
    if status not in TRANSITIONS[task.status]:
        raise InvalidTransition(f"task {task.id} is {task.status} and cannot become {status}")
