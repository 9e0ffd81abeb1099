"""Questions: one mechanism for everything that waits for an answer from outside (DESIGN section 5, *Questions*).

Decisions return events and change nothing. An open question is in the state; what its task still needs of it
afterwards is in `TaskState.asks`.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from skep import values
from skep.core.event import Event
from skep.core.outputs import ContentRef
from skep.core.question_events import (
    CloseReason,
    QuestionAnswered,
    QuestionAsked,
    QuestionClosed,
    QuestionKind,
    SeniorAnswered,
    SeniorQueried,
    TaskResumed,
    TaskSuspended,
)
from skep.core.scopes import Fact
from skep.core.tasks import SETTLED, TaskState
from skep.errors import InvalidTransition, LimitExceeded, MayNotAnswer
from skep.limits import DEFAULT_LIMITS, Limits

SENIOR = "role:senior"
DEADLINE = "deadline"
"""Who answered when the deadline did."""


class Claim(Struct):
    """Who holds a work item, with which handle (its digest), until when."""

    holder: str
    generation: int
    handle: str
    lease_until: int
    session_id: str | None = None
    sessions: tuple[str, ...] = ()
    """Those whose revocation ends it."""


class QuestionState(Struct, kw_only=True):
    """An open question. Times are milliseconds since the epoch."""

    key: str
    log: str
    what: QuestionKind
    audience: tuple[str, ...]
    digest: str
    question: ContentRef
    asked_at: int
    senior: bool = False
    run_id: str | None = None
    task_id: str | None = None
    attempt: int | None = None
    agent: str | None = None
    step_key: str | None = None
    schema: ContentRef | None = None
    deadline: int | None = None
    on_timeout: ContentRef | None = None
    allow_self: bool = False
    by: str | None = None
    claim: Claim | None = None
    generation: int = 0
    """Of the last claim; the next one is higher."""

    def is_past_deadline(self, now: int) -> bool:
        """Whether it takes no more answers, recorded or not."""
        return self.deadline is not None and self.deadline <= now


class About(Struct, frozen=True, kw_only=True):
    """What a question is about, as scopes see it; that stays when it has ended."""

    log: str
    run_id: str | None
    task_id: str | None
    agent: str | None
    seats: frozenset[str]

    @property
    def facts(self) -> dict[str, Fact | None]:
        """Those of a call on the question; any of its seats may meet a condition."""
        seat = self.seats or None
        return {"run": self.run_id, "task": self.task_id, "agent": self.agent, "seat": seat}


class Answerer(Struct, frozen=True, kw_only=True):
    """Who wants to answer, as the authority sees it; `seats` null: any seat."""

    principal: str
    roles: frozenset[str]
    seats: frozenset[str] | None = frozenset()
    session_id: str | None = None
    run_id: str | None = None


class Asking(Struct, frozen=True, kw_only=True):
    """What is asked, of whom, until when (milliseconds since the epoch)."""

    question: ContentRef
    digest: str
    audience: tuple[str, ...] = (SENIOR,)
    what: QuestionKind = "ask"
    schema: ContentRef | None = None
    deadline: int | None = None
    on_timeout: ContentRef | None = None
    allow_self: bool = False
    by: str | None = None


def about(question: QuestionState) -> About:
    """What a question is about."""
    seats = (name.partition(":") for name in question.audience)
    return About(
        log=question.log,
        run_id=question.run_id,
        task_id=question.task_id,
        agent=question.agent,
        seats=frozenset(name for kind, _, name in seats if kind == "seat"),
    )


def question_digest(question: object, audience: Sequence[str], schema: object = None) -> str:
    """What makes two asks the same: SHA-256 of the canonical JSON of audience, question and schema."""
    return values.digest(values.canonical([list(audience), question, schema]))


def task_key(task: TaskState) -> str:
    """The key of the task's next question: published for the first, numbered from then on.

    >>> task_key(TaskState(id="T-1", agent="a", log="run:1"))
    'R-senior-T-1'
    """
    return f"R-senior-{task.id}" if task.asked == 0 else f"R-senior-{task.id}-{task.asked + 1}"


def ask_for_task(
    task: TaskState, asking: Asking, at: int, *, limits: Limits = DEFAULT_LIMITS
) -> tuple[Event, ...]:
    """A task asks: it is suspended unless it was.

    Raises:
        InvalidTransition: the task has settled.
        LimitExceeded: `max_asks` of one task.
    """
    if task.status in SETTLED:
        raise InvalidTransition(f"task {task.id} is {task.status} and cannot ask")
    if task.asked >= limits.max_asks:
        raise LimitExceeded("max_asks", limits.max_asks, where=f"task {task.id}")
    key = task_key(task)
    kind = SeniorQueried if asking.audience == (SENIOR,) and asking.what == "ask" else QuestionAsked
    asked = _asked(
        kind,
        key,
        asking,
        at,
        run_id=task.run_id,
        session_id=task.session_id,
        task_id=task.id,
        attempt=task.attempt if task.live else None,
        agent=task.agent,
    )
    if task.open_asks:
        return (asked,)
    return (asked, TaskSuspended(at=at, task_id=task.id, key=key))


def ask_for_run(key: str, run_id: str, step_key: str, asking: Asking, at: int) -> QuestionAsked:
    """A flow's `ask` node asks."""
    return _asked(QuestionAsked, key, asking, at, run_id=run_id, step_key=step_key)


def offer_work(key: str, task: TaskState, asking: Asking, at: int) -> QuestionAsked:
    """An attempt is offered to its seat; that suspends nothing."""
    return _asked(
        QuestionAsked,
        key,
        asking,
        at,
        run_id=task.run_id,
        session_id=task.session_id,
        task_id=task.id,
        attempt=task.attempt,
        agent=task.agent,
    )


def answer(
    question: QuestionState,
    task: TaskState | None,
    content: ContentRef,
    by: str,
    at: int,
    *,
    request: str | None = None,
) -> tuple[Event, ...]:
    """Answer an open question; `task` is the one that asked. The last answer sets it going again."""
    kind = SeniorAnswered if question.senior else QuestionAnswered
    answered = kind(at=at, key=question.key, answer=content, by=by, task_id=question.task_id, request=request)
    return (answered, *_going_on(question, task, at))


def close(question: QuestionState, task: TaskState | None, reason: CloseReason, at: int) -> tuple[Event, ...]:
    """Take an open question back."""
    closed = QuestionClosed(at=at, key=question.key, reason=reason, task_id=question.task_id)
    return (closed, *_going_on(question, task, at))


def time_out(question: QuestionState, task: TaskState | None, at: int) -> tuple[Event, ...]:
    """The deadline has come: its answer counts, or the question is closed."""
    if question.on_timeout is not None:
        return answer(question, task, question.on_timeout, DEADLINE, at)
    return close(question, task, "timeout", at)


def check_may_answer(
    question: QuestionState, who: Answerer, *, starter: str | None = None, holder: Claim | None = None
) -> None:
    """Whether `who` may answer; `holder` holds the attempt that asked, `starter` started its run.

    Raises:
        MayNotAnswer: not one of the audience; or it asked itself (the principal, a worker of the run, the
            holder of the attempt); or it started the run that wants its approval.
    """
    if not any(_is_addressed(one, who) for one in question.audience):
        audience = ", ".join(question.audience)
        raise MayNotAnswer(f"question {question.key} is for {audience}, not for {who.principal}")
    if _asked_itself(question, who, holder):
        raise MayNotAnswer(f"{who.principal} asked question {question.key} and may not answer it")
    if question.what == "approval" and not question.allow_self and starter == who.principal:
        raise MayNotAnswer(
            f"{who.principal} started the run that wants this approval", fix="let another principal approve"
        )


def _asked_itself(question: QuestionState, who: Answerer, holder: Claim | None) -> bool:
    if question.by is not None and question.by == who.principal:
        return True
    if "worker" in who.roles and who.run_id == question.run_id:
        return True
    # The owner of the store, who needs no token, answers for everybody.
    return holder is not None and holder.session_id is not None and holder.holder == who.principal


def _is_addressed(audience: str, who: Answerer) -> bool:
    kind, _, name = audience.partition(":")
    if kind == "role":
        return name in who.roles
    if kind == "seat":
        return who.seats is None or name in who.seats
    return kind == "principal" and who.principal == name


def _going_on(question: QuestionState, task: TaskState | None, at: int) -> tuple[Event, ...]:
    """The last open question of a suspended task has ended."""
    if task is None or task.status != "suspended" or question.what == "work" or task.open_asks > 1:
        return ()
    return (TaskResumed(at=at, task_id=task.id, key=question.key),)


def _asked(kind: type[QuestionAsked], key: str, asking: Asking, at: int, **where: object) -> QuestionAsked:
    return kind(
        at=at,
        key=key,
        question=asking.question,
        digest=asking.digest,
        audience=asking.audience,
        what=asking.what,
        schema=asking.schema,
        deadline=asking.deadline,
        on_timeout=asking.on_timeout,
        allow_self=asking.allow_self,
        by=asking.by,
        **where,  # type: ignore[arg-type] # ids, all str or int
    )
