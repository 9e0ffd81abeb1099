"""From journal events to the machine's inputs: one function for live and recovered runs (DESIGN section 6)."""

from __future__ import annotations

from collections import deque
from typing import Literal

from skep.core import events as ev
from skep.core.tasks import TaskState
from skep.engine.ledger import Ledger
from skep.flow.inputs import CancelRequested, Input, Settled, Started

Status = Literal["pass", "blocked", "error", "timeout", "cancelled"]


class RunFold:
    """Collects what the events of one run mean to its machine, in journal order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.inputs: deque[Input] = deque()

    def observe(self, event: ev.Event, task: TaskState | None) -> None:
        """An event has been applied; `task` is the one that it was about."""
        if task is None:
            if isinstance(event, ev.RunStarted):
                self._start(event)
            elif isinstance(event, ev.RunCancelRequested):
                self.inputs.append(CancelRequested(event.reason))
        elif task.step_key is not None:
            settled = self._settled(event, type(event), task)
            if settled is not None:
                self.inputs.append(settled)

    def _start(self, event: ev.RunStarted) -> None:
        self.inputs.append(Started(self._ledger.value(event.input, event.run_id)))
        self._ledger.release(event.run_id)

    def _settled(self, event: ev.Event, kind: type, task: TaskState) -> Settled | None:
        if kind is ev.TaskAttemptCompleted:
            return _plain(task, "cancelled", None) if task.status == "cancelled" else None
        if kind is ev.TaskPass:
            return self._with_value(task, "pass")
        if isinstance(event, ev.TaskBlocked):
            if event.reason == "blocked":
                return self._with_value(task, "blocked")
            return _plain(task, "error", event.message, event.code)
        if isinstance(event, ev.TaskTimeout):
            return _plain(task, "timeout", event.message or f"no result within {task.timeout_ms} ms")
        if kind is ev.TaskCancelled and not task.live:
            return _plain(task, "cancelled", None)
        return None

    def _with_value(self, task: TaskState, status: Status) -> Settled:
        assert task.step_key is not None and task.digest is not None and task.final is not None  # noqa: S101, PT018 - a settled step
        value = self._ledger.value(task.final.content, task.id)
        return Settled(task.step_key, status, task.agent, task.digest, value)


def _plain(task: TaskState, status: Status, message: str | None, code: str | None = None) -> Settled:
    assert task.step_key is not None and task.digest is not None  # noqa: S101, PT018 - a flow step
    return Settled(task.step_key, status, task.agent, task.digest, None, message, code)
