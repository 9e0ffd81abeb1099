"""From journal events to the machine's inputs: one function for live and recovered runs (DESIGN section 6)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from skep.core import events as ev
from skep.core.questions import QuestionState
from skep.core.tasks import TaskState
from skep.engine.ledger import Ledger
from skep.flow.inputs import (
    Answered,
    CancelRequested,
    Input,
    Settled,
    Signalled,
    Started,
    TimerFired,
    Unanswered,
)

Status = Literal["pass", "blocked", "error", "timeout", "cancelled"]


def signal_owner(name: str) -> str:
    """To whom the bytes of a signal's large value belong until the machine has them."""
    return f"signal {name}"


class RunFold:
    """Collects what the events of one run mean to its machine, in journal order."""

    def __init__(self, ledger: Ledger, timer_told: Callable[[ev.Event], None]) -> None:
        self._ledger = ledger
        self._timer_told = timer_told
        self.inputs: deque[Input] = deque()

    def observe(self, event: ev.Event, subject: TaskState | QuestionState | None) -> None:
        """An event has been applied; `subject` is what it was about, a task that is over now."""
        if subject is None:
            self._of_run(event)
        elif subject.step_key is not None:
            if type(subject) is TaskState:
                told = self._settled(event, subject)
            else:
                told = self._answered(event, subject.step_key, subject.digest or "")
            if told is not None:
                self.inputs.append(told)

    def _of_run(self, event: ev.Event) -> None:
        if isinstance(event, ev.RunStarted):
            self._start(event)
        elif isinstance(event, ev.RunCancelRequested):
            self.inputs.append(CancelRequested(event.reason))
        elif isinstance(event, ev.SignalReceived):
            owner = signal_owner(event.name)
            value = self._ledger.value(event.value, owner) if event.value is not None else None
            self._ledger.release(owner)
            self.inputs.append(Signalled(event.name, value))
        elif isinstance(event, ev.TimerStarted | ev.TimerFired):
            self._timer_told(event)
            if isinstance(event, ev.TimerFired):
                self.inputs.append(TimerFired(event.key))

    def _answered(self, event: ev.Event, key: str, digest: str) -> Input | None:
        if isinstance(event, ev.QuestionAnswered):
            return Answered(key, digest, self._ledger.value(event.answer, event.key))
        if isinstance(event, ev.QuestionClosed) and event.reason == "timeout":
            return Unanswered(key, digest, f"nobody answered question {event.key} before its deadline")
        return None

    def _start(self, event: ev.RunStarted) -> None:
        self.inputs.append(Started(self._ledger.value(event.input, event.run_id)))
        self._ledger.release(event.run_id)

    def _settled(self, event: ev.Event, task: TaskState) -> Settled:
        if isinstance(event, ev.TaskPass):
            return self._with_value(task, "pass")
        if isinstance(event, ev.TaskBlocked):
            if event.reason == "blocked":
                return self._with_value(task, "blocked")
            return _plain(task, "error", event.message, event.code)
        if isinstance(event, ev.TaskTimeout):
            return _plain(task, "timeout", event.message or f"no result within {task.timeout_ms} ms")
        return _plain(task, "cancelled", None)

    def _with_value(self, task: TaskState, status: Status) -> Settled:
        assert task.step_key is not None and task.digest is not None and task.final is not None  # noqa: S101, PT018 - a settled step
        value = self._ledger.value(task.final.content, task.id)
        return Settled(task.step_key, status, task.agent, task.digest, value)


def _plain(task: TaskState, status: Status, message: str | None, code: str | None = None) -> Settled:
    assert task.step_key is not None and task.digest is not None  # noqa: S101, PT018 - a flow step
    return Settled(task.step_key, status, task.agent, task.digest, None, message, code)
