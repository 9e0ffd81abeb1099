"""The open questions of one engine: asked, answered, timed out, waited for (DESIGN section 5, *Questions*).

Who may do what is decided before (`question_acts`); here a question meets its answer. Everything that waits for
a key looks again after each wake, so none is lost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Raw, Struct

from skep import values
from skep.clock import TimerHandle
from skep.core import events as ev
from skep.core import questions
from skep.core.outputs import Blob, ContentRef, Final, Inline
from skep.core.question_events import CloseReason
from skep.core.questions import About, Answerer, QuestionState
from skep.engine.questions.answer_schema import compile_schema
from skep.engine.questions.work import Work
from skep.errors import (
    AnswerTimeout,
    LimitExceeded,
    QuestionClosed,
    ResumeKeyNotFound,
    SkepError,
    WorkHeld,
)

if TYPE_CHECKING:
    from skep.core.tasks import TaskState
    from skep.engine.ledger import Ledger
    from skep.limits import Limits

Commit = Callable[[str, Sequence[ev.Event]], object]
"""Commits events to a log, through its run's driver if it has one."""

Ended = ev.QuestionAnswered | ev.QuestionClosed


class Ask(Struct, frozen=True, kw_only=True):
    """A question that a worker or an operator puts, checked and encoded; `deadline` in seconds from now.

    With `default` the deadline answers with it, without one the question is closed.
    """

    question: bytes
    digest: str
    audience: tuple[str, ...]
    schema: bytes | None = None
    deadline: float | None = None
    default: bytes | None = None
    approval: bool = False
    allow_self: bool = False
    by: str | None = None


class Questions:
    """Asks, answers and times out; `told` hears of a task that was suspended or goes on."""

    def __init__(self, ledger: Ledger, commit: Commit, told: Callable[[TaskState], None]) -> None:
        self._ledger = ledger
        self._waiters = ledger.waiters
        self._commit = commit
        self._told = told
        self._deadlines: dict[str, TimerHandle] = {}
        self._ended: OrderedDict[str, tuple[Ended, About]] = OrderedDict()
        self.work = Work(ledger, commit, self.open)
        ledger.question_told = self._hear

    # -- asking --------------------------------------------------------------------------------

    def ask(self, task: TaskState, ask: Ask) -> str:
        """Put a question for a task; its key.

        Raises:
            LimitExceeded: the task has asked too often.
            InvalidTransition: it has settled.
        """
        key = questions.task_key(task)
        asking = self._asking(task, ask)
        self._commit(
            task.log, questions.ask_for_task(task, asking, self._ledger.now(), limits=self._ledger.limits)
        )
        self._told(task)
        return key

    def _asking(self, task: TaskState, ask: Ask) -> questions.Asking:
        ledger = self._ledger
        return questions.Asking(
            question=ledger.store(ask.question, task.log),
            digest=ask.digest,
            audience=ask.audience,
            what="approval" if ask.approval else "ask",
            schema=Inline(Raw(ask.schema)) if ask.schema is not None else None,
            deadline=ledger.now() + int(ask.deadline * 1000) if ask.deadline is not None else None,
            on_timeout=ledger.store(ask.default, task.log) if ask.default is not None else None,
            allow_self=ask.allow_self,
            by=ask.by,
        )

    # -- answering -----------------------------------------------------------------------------

    def answer(self, key: str, value: Any, who: Answerer, request: str | None = None) -> None:
        """Answer an open question.

        Raises:
            ResumeKeyNotFound, QuestionClosed: there is no such question, or no longer.
            MayNotAnswer: `who` may not.
            AnswerRefused, BadValue, LimitExceeded: the answer is not one that the question takes.
        """
        question = self.open(key)
        state = self._ledger.state
        run = state.runs.get(question.run_id) if question.run_id else None
        task = state.tasks.get(question.task_id) if question.task_id else None
        work = state.questions.get(task.work) if task is not None and task.work else None
        holder = work.claim if work is not None and work is not question else None
        questions.check_may_answer(question, who, starter=run.starter if run else None, holder=holder)
        if question.claim is not None:
            raise WorkHeld(f"{question.claim.holder} works on {key}", fix="take it over first")
        data = encoded(value, self._ledger.limits, "answer")
        check_schema(question, values.decode(data))
        if question.what == "work":
            final = Final(Inline(Raw(data)))
            self.work.channel(question).conclude(final, by=who.principal, request=request)
            return
        content = self._ledger.store(data, question.log, key)
        events = questions.answer(question, task, content, who.principal, self._ledger.now(), request=request)
        self._commit(question.log, events)
        if task is not None:
            self._told(task)

    def close(self, key: str, reason: CloseReason) -> None:
        """Take an open question back."""
        question = self.open(key)
        task = self._ledger.state.tasks.get(question.task_id) if question.task_id else None
        self._commit(question.log, questions.close(question, task, reason, self._ledger.now()))
        if task is not None:
            self._told(task)

    def open(self, key: str) -> QuestionState:
        """The open question.

        Raises:
            QuestionClosed: it has ended.
            ResumeKeyNotFound: nobody here ever asked it.
        """
        question = self._ledger.state.questions.get(key)
        if question is not None:
            return question
        if key in self._ended:
            raise QuestionClosed(f"question {key} {how_ended(self._ended[key][0])}")
        raise ResumeKeyNotFound(f"no question {key}", fix="`skep questions` lists the open ones")

    # -- waiting -------------------------------------------------------------------------------

    async def until_ended(self, key: str, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the clock's time
        """Return when a question of this engine has ended, durably.

        Raises:
            PollTimeout: `timeout` seconds are over.
        """
        await self._waiters.until(key, lambda: key not in self._ledger.state.questions, timeout)
        await self._ledger.flushed()

    async def answer_for(self, task: TaskState, key: str) -> Any:
        """What a question of an open task was or will be answered with.

        Raises:
            AnswerTimeout, QuestionClosed: there is no answer.
        """
        asked = (task.asks or {}).get(key)
        if asked is None:
            raise lost(key)
        if asked.answer is None and asked.closed is None:
            await self.until_ended(key)
        if asked.closed is not None:
            raise no_answer(key, asked.closed)
        if asked.answer is None:
            raise lost(key)
        return await self.value(asked.answer, task.log)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop the questions of a run that this engine has lost."""
        for key in keys:
            question = self._ledger.state.questions.pop(key, None)
            if question is not None:
                self._ledger.state.drop_claim(question)
            timer = self._deadlines.pop(key, None)
            if timer is not None:
                timer.cancel()
            self._waiters.wake(key)

    def ended(self, key: str) -> Ended | None:
        """How a question ended, if that is remembered."""
        return self._ended[key][0] if key in self._ended else None

    def about(self, key: str) -> About | None:
        """What a question is about that is open here, or whose end is remembered."""
        question = self._ledger.state.questions.get(key)
        if question is not None:
            return questions.about(question)
        return self._ended[key][1] if key in self._ended else None

    async def value(self, content: ContentRef, log: str) -> Any:
        """A fresh copy of a recorded value."""
        if isinstance(content, Blob):
            await self._ledger.flushed()
            return values.decode(await self._ledger.journal.get_blob(content.sha256, log=log))
        return self._ledger.value(content, "")

    # -- time ----------------------------------------------------------------------------------

    def arm(self, question: QuestionState) -> None:
        """Let the deadline of an open question come."""
        if question.deadline is not None and question.key not in self._deadlines:
            self._deadlines[question.key] = self._ledger.clock.call_at(
                question.deadline, lambda: self._time_out(question)
            )

    def arm_all(self, run_id: str) -> None:
        """Let the deadlines of a run's open questions come, once it goes on after a recovery."""
        state = self._ledger.state
        run = state.runs.get(run_id)
        for key in run.questions if run is not None else ():
            self.arm(state.questions[key])

    def stop(self) -> None:
        """Let nothing time out any more."""
        for timer in self._deadlines.values():
            timer.cancel()
        self._deadlines.clear()

    def _time_out(self, question: QuestionState) -> None:
        state = self._ledger.state
        if state.questions.get(question.key) is not question:
            return
        task = state.tasks.get(question.task_id) if question.task_id else None
        try:
            self._commit(question.log, questions.time_out(question, task, self._ledger.now()))
        except SkepError:
            return  # the journal has told its listeners, the run is dropped
        if task is not None:
            self._told(task)

    # -- inside --------------------------------------------------------------------------------

    def _hear(self, question: QuestionState, event: ev.Event) -> None:
        """The ledger has applied an event about a question: it is open, or it has ended."""
        self.work.hear(question, event)
        if not isinstance(event, Ended):
            if not self._ledger.replaying:
                self.arm(question)
            return
        timer = self._deadlines.pop(question.key, None)
        if timer is not None:
            timer.cancel()
        self._ended[question.key] = event, questions.about(question)
        if len(self._ended) > self._ledger.limits.ended_questions:
            self._ended.popitem(last=False)
        self._waiters.wake(question.key)


def encoded(value: Any, limits: Limits, where: str) -> bytes:
    """A question, an answer or a signal as it is stored.

    Raises:
        BadValue, LimitExceeded: no JSON, or more than `max_question_bytes` of it.
    """
    data = values.encode(value, limits, where=where)
    if len(data) > limits.max_question_bytes:
        raise LimitExceeded("max_question_bytes", limits.max_question_bytes, where=where)
    return data


def check_schema(question: QuestionState, value: Any) -> None:
    """Raises `AnswerRefused` unless `value` fits the question's schema."""
    if isinstance(question.schema, Inline):
        compile_schema(values.decode(question.schema.value)).check(value)


def answer_of(ended: Ended) -> ContentRef:
    """What a question was answered with.

    Raises:
        AnswerTimeout, QuestionClosed: it was not.
    """
    if isinstance(ended, ev.QuestionAnswered):
        return ended.answer
    raise no_answer(ended.key, ended.reason)


def no_answer(key: str, reason: CloseReason) -> AnswerTimeout | QuestionClosed:
    """The error of a question that was closed."""
    if reason == "timeout":
        return AnswerTimeout(f"nobody answered question {key} before its deadline")
    return QuestionClosed(f"question {key} {_CLOSED[reason]}")


def how_ended(ended: Ended) -> str:
    """In words."""
    if isinstance(ended, ev.QuestionAnswered):
        return f"was answered by {ended.by}"
    return _CLOSED[ended.reason]


_CLOSED: dict[CloseReason, str] = {
    "timeout": "has passed its deadline",
    "cancelled": "was closed: its task was cancelled",
    "settled": "was closed: its task has ended",
    "withdrawn": "was taken back",
}


def lost(key: str) -> QuestionClosed:
    """The error of a question whose run this engine has lost."""
    return QuestionClosed(f"this engine has lost question {key}", fix="its run goes on elsewhere: ask there")
