"""What happens to questions, and to the claims of operators on their work (DESIGN section 5, *Questions*)."""

from __future__ import annotations

from typing import Literal

from skep.core.event import Event
from skep.core.outputs import ContentRef

QuestionKind = Literal["ask", "approval", "work"]
"""`work` is an attempt offered to a seat; `approval` wants another principal than the run's starter."""

CloseReason = Literal["timeout", "cancelled", "settled", "withdrawn"]


class QuestionAsked(Event, frozen=True, tag="question_asked"):
    """Something waits for an answer from outside under `key`.

    A worker's question has `task_id`, `attempt` and `agent`, a flow's the `step_key` of its node. `digest` is the
    SHA-256 of audience, question and schema; `on_timeout` is the answer that the deadline gives, without it
    the question is closed. `by` is the principal who asked, where that was no worker and no flow.
    """

    key: str
    question: ContentRef
    digest: str
    audience: tuple[str, ...]
    what: QuestionKind = "ask"
    run_id: str | None = None
    session_id: str | None = None
    task_id: str | None = None
    attempt: int | None = None
    agent: str | None = None
    step_key: str | None = None
    schema: ContentRef | None = None
    deadline: int | None = None
    on_timeout: ContentRef | None = None
    allow_self: bool = False
    by: str | None = None


class SeniorQueried(QuestionAsked, frozen=True, tag="senior_queried"):
    """The published kind for a question of a task to its seniors."""


class QuestionAnswered(Event, frozen=True, tag="question_answered"):
    """`by` is the principal who answered, or `deadline`; `request` is that of the inbox message it came in."""

    key: str
    answer: ContentRef
    by: str
    task_id: str | None = None
    request: str | None = None


class SeniorAnswered(QuestionAnswered, frozen=True, tag="senior_answered"):
    """The published kind for the answer to `senior_queried`."""


class QuestionClosed(Event, frozen=True, tag="question_closed"):
    """The question takes no answer any more."""

    key: str
    reason: CloseReason
    task_id: str | None = None


class TaskSuspended(Event, frozen=True, tag="task_suspended"):
    """The task has its first open question; its deadline stands still."""

    task_id: str
    key: str


class TaskResumed(Event, frozen=True, tag="task_resumed"):
    """The last open question of the task, `key`, has ended."""

    task_id: str
    key: str


class WorkClaimed(Event, frozen=True, tag="work_claimed"):
    """`holder` has the work item until `lease_until`; `handle` is the SHA-256 of what it works with.

    A higher `generation` ends what an earlier holder had.
    """

    key: str
    task_id: str
    holder: str
    generation: int
    handle: str
    lease_until: int
    session_id: str | None = None
    request: str | None = None
    sessions: tuple[str, ...] = ()
    """Those whose revocation ends the claim: of the token that it was made with, and of what that came from."""


class WorkRenewed(Event, frozen=True, tag="work_renewed"):
    key: str
    generation: int
    lease_until: int
    request: str | None = None


class WorkReleased(Event, frozen=True, tag="work_released"):
    """The item is offered again: given back, its lease ran out, or the holder's token was revoked."""

    key: str
    generation: int
    reason: Literal["released", "expired", "revoked"] = "released"
    request: str | None = None
