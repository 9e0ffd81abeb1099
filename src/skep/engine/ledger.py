"""The one writer of state: `commit` applies events and hands the same events to the journal (R-fold, R-sync)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

from skep import values
from skep.clock import Clock
from skep.core.events import (
    Event,
    QuestionAnswered,
    QuestionAsked,
    QuestionClosed,
    RunCancelRequested,
    RunStarted,
    SeniorAnswered,
    SeniorQueried,
    SignalReceived,
    TaskAttemptCompleted,
    TaskBlocked,
    TaskCancelled,
    TaskPass,
    TaskResumed,
    TaskSuspended,
    TaskTimeout,
    TimerFired,
    TimerStarted,
    WorkClaimed,
    WorkReleased,
    WorkRenewed,
)
from skep.core.outputs import Blob, ContentRef, FileRef, Inline, file_fields
from skep.core.questions import QuestionState
from skep.core.state import HANDLERS, EngineState
from skep.core.tasks import TaskState
from skep.engine.questions.waiters import Waiters
from skep.journal.base import Journal, RunSummary
from skep.limits import Limits

log = logging.getLogger("skep.engine")

ABOUT_WORK = frozenset({WorkClaimed, WorkRenewed, WorkReleased})
ABOUT_QUESTIONS = ABOUT_WORK | {
    QuestionAsked,
    SeniorQueried,
    QuestionAnswered,
    SeniorAnswered,
    QuestionClosed,
}
ABOUT_TASKS = frozenset(
    {TaskAttemptCompleted, TaskPass, TaskBlocked, TaskTimeout, TaskCancelled, TaskSuspended, TaskResumed}
)
TELLING = (
    ABOUT_QUESTIONS | ABOUT_TASKS | {RunStarted, RunCancelRequested, TimerStarted, TimerFired, SignalReceived}
)
"""The events that can settle a task or move a flow on; only these are shown to observers."""

Role = Literal["final", "checkpoint", "input", "verdict"]
"""What a large value is to its task or run: only the last one in each role is ever read back."""

Observer = Callable[[Event, TaskState | QuestionState | None], None]
"""Sees what ends a task, or tells about a question or a run, after it was applied; with what it was about."""


def _nobody(_event: Event, _subject: TaskState | QuestionState | None) -> None: ...


class Ledger:
    """State, journal and clock of one engine; everything that changes state goes through `commit`."""

    def __init__(self, journal: Journal, clock: Clock, limits: Limits) -> None:
        self.journal = journal
        self.clock = clock
        self.limits = limits
        self.state = EngineState()
        self.counters: Counter[str] = Counter()
        self._versions: dict[str, int] = {}
        self._at_hand: dict[str, dict[Role, tuple[str, bytes]]] = {}
        self.waiters = Waiters(clock)
        """Who waits for a task or a question."""
        self.question_told: Callable[[QuestionState, Event], None] = lambda _question, _event: None
        """Hears of every question that was asked or has ended, and of claims of work items."""
        self.last_seq = 0
        self.replaying = False
        """What is applied happened before: nothing begins because of it."""

    def now(self) -> int:
        """Milliseconds since the epoch; never before an event that is already recorded."""
        now, latest = self.clock.now_ms(), self.state.latest
        return now if now > latest else latest  # noqa: FURB136 - max() is a call on every step's way

    def commit(self, log_name: str, events: Sequence[Event]) -> int:
        """Append events that settle no step (see `RunDriver.commit` for the others) and apply them.

        Raises:
            JournalFailed, Fenced: nothing was applied.
        """
        seq = self.append(log_name, events)
        self.apply(events, _nobody)
        return seq

    def append(self, log_name: str, events: Sequence[Event], summary: RunSummary | None = None) -> int:
        """Hand events to the journal; returns its sequence number."""
        version = self._versions.get(log_name, 0)
        seq = self.journal.append(log_name, version + 1, events, summary)  # type: ignore[arg-type] # the union's base
        self._versions[log_name] = version + len(events)
        self.last_seq = seq
        return seq

    def replay(
        self, log_name: str, version: int, event: Event, observer: Observer, into: EngineState | None = None
    ) -> None:
        """Apply an event that is already in the journal (recovery), to a state of its own where one is given."""
        self._versions[log_name] = version
        self.replaying = True
        live = self.state
        self.state = into or live
        try:
            self.apply((event,), observer)
        finally:
            self.state = live
            self.replaying = False

    def apply(self, events: Sequence[Event], observer: Observer) -> None:
        """Apply events to the state, telling `observer` of those that end a task or can move a flow on."""
        state = self.state
        for event in events:
            kind: Any = type(event)
            if kind not in TELLING:
                HANDLERS[kind](state, event)
            elif kind in ABOUT_TASKS:
                self._apply_to_task(event, observer)
            elif kind in ABOUT_QUESTIONS:
                self._apply_question(event, observer)
            else:
                HANDLERS[kind](state, event)
                observer(event, None)
        if events[-1].at > state.latest:  # noqa: PLR1730 - as in `now`
            state.latest = events[-1].at

    def _apply_to_task(self, event: Any, observer: Observer) -> None:
        state, task_id = self.state, event.task_id
        task = state.tasks.get(task_id)
        HANDLERS[type(event)](state, event)
        if task_id not in state.tasks:
            observer(event, task)
            if self._at_hand:
                self.release(task_id)
        if task_id in self.waiters.waiting:
            self.waiters.wake(task_id)

    def _apply_question(self, event: Any, observer: Observer) -> None:
        state, key = self.state, event.key
        before = state.questions.get(key)
        HANDLERS[type(event)](state, event)
        question = before or state.questions[key]
        observer(event, question)
        self.question_told(question, event)
        if before is not None:
            self.release(key)

    def pass_over(self, log_name: str, version: int) -> None:
        """Note an event that is already in the journal without applying it: what follows is appended after it."""
        self._versions[log_name] = version

    def version(self, log_name: str) -> int:
        """The version of the last event of a log that this engine has appended or replayed."""
        return self._versions.get(log_name, 0)

    def forget(self, log_name: str) -> None:
        """Drop what is remembered about a log that this engine no longer owns."""
        self._versions.pop(log_name, None)

    async def flushed(self) -> None:
        """Return when everything committed so far is durable (R-ack)."""
        if self.journal.durable < self.last_seq:
            await self.journal.flushed(self.last_seq)

    # -- contents ------------------------------------------------------------------------------

    def store(self, data: bytes, log_name: str, owner: str | None = None, role: Role = "final") -> ContentRef:
        """Encoded JSON as a reference: inline when it is small, else an artifact of `log_name`.

        With an `owner` the bytes of an artifact stay at hand for `value`, until the next one in that role or
        `release(owner)`.
        """
        if len(data) <= self.limits.inline_value_bytes:
            return Inline(values.raw(data))
        sha256 = self.journal.stage_blob(data, log=log_name)
        if owner is not None:
            self.remember(sha256, data, owner, role)
        return Blob(sha256, len(data))

    def remember(self, sha256: str, data: bytes, owner: str, role: Role = "final") -> None:
        """Keep the bytes of an artifact at hand (recovery reads them ahead)."""
        self._at_hand.setdefault(owner, {})[role] = (sha256, data)

    def release(self, owner: str) -> None:
        """The task or run `owner` needs its artifacts no more."""
        self._at_hand.pop(owner, None)

    def value(self, content: ContentRef, owner: str) -> Any:
        """A fresh copy of the value that `content` refers to; a file_ref is its published fields."""
        if type(content) is Inline:
            return values.decode(content.value)
        if isinstance(content, Blob):
            return values.decode(dict(self._at_hand[owner].values())[content.sha256])
        assert isinstance(content, FileRef)  # noqa: S101 - the union's last member
        return file_fields(content)

    # -- R-sync --------------------------------------------------------------------------------

    def held(self, operation: str, milliseconds: float) -> None:
        """Log and count a transition that held the loop longer than `max_hold_ms`."""
        self.counters["long_holds"] += 1
        log.warning("transition %s held the event loop for %.0f ms", operation, milliseconds)
