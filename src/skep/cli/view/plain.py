"""A run as lines, for pipes and logs: one for each thing that a person would want to know later."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

from skep.cli.reader import stdout_failed
from skep.cli.text import addressed, duration, in_short, visible
from skep.cli.view.model import ANSWERED, ASKED, TASK_ENDED, RunView, TaskView


class Lines:
    """Writes a line for each item of a run from `since` on; earlier ones are only taken in."""

    def __init__(self, stream: TextIO, since: int = 0) -> None:
        self._stream: TextIO | None = stream
        self._view = RunView()
        self._since = since

    def take(self, item: dict[str, Any]) -> None:
        task = self._view.apply(item)
        if item["at"] >= self._since:
            self._write(line(self._view, item, task))

    def stopping(self) -> None:
        self._write("cancelling, waiting for the workers")

    def suspended(self) -> None:
        pass

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _write(self, text: str | None) -> None:
        if text is None or self._stream is None:
            return
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError as error:
            self._stream = None  # the run goes on
            stdout_failed(error)


def line(view: RunView, item: dict[str, Any], task: TaskView | None) -> str | None:
    """The line for an item that `view` has just taken in, or `None` when it says nothing new."""
    text = _outside_line(item, task) or (
        _task_line(item, task) if task is not None else _run_line(view, item)
    )
    if text is None:
        return None
    since = duration(view.now - view.started) if view.started is not None else ""
    return f"{since:>7}  {text}"


def _run_line(view: RunView, item: dict[str, Any]) -> str | None:
    kind = item["kind"]
    if kind == "run_started":
        return f"run {view.run_id} of {visible(view.blueprint_id)} started"
    if kind == "run_recovered":
        return f"run {view.run_id} goes on"
    if kind == "run_cancel_requested":
        return f"cancelling: {visible(item['reason'])}"
    return None


def _outside_line(item: dict[str, Any], task: TaskView | None) -> str | None:
    """What is waited for from outside, and what has come."""
    kind, key = item["kind"], visible(str(item.get("key")))
    if kind in ASKED:
        who = visible(task.name if task is not None else item.get("step_key") or "")
        verb = "waits" if item["what"] == "work" else "asks"
        return f"{who} {verb} {addressed(item['audience'])}: {in_short(item['question'])} ({key})"
    if kind in ANSWERED:
        return f"{key} answered by {visible(item['by'])}"
    if kind == "question_closed":
        return f"{key} closed: {item['reason']}"
    if kind == "timer_started":
        return f"{key} waits for {duration(item['due'] - item['at'])}"
    if kind == "timer_fired":
        return f"{key} has waited"
    if kind == "signal_received":
        return f"signal {visible(item['name'])} from {visible(item['by'])}"
    return None


def _task_line(item: dict[str, Any], task: TaskView) -> str | None:
    kind = item["kind"]
    name = visible(task.name)
    again = f" (attempt {task.attempt})" if task.attempt > 1 else ""
    problem = f": {visible(task.problem)}" if task.problem else ""
    if kind == "task_attempt_started":
        return f"{name} started{again}"
    if kind == "task_attempt_interrupted":
        return f"{name} was interrupted{again}"
    if kind == "task_attempt_completed" and task.state == "retrying" and task.retry_at is not None:
        return f"{name} failed{again}, next attempt in {duration(task.retry_at - item['at'])}{problem}"
    if kind == "progress" and task.note:
        return f"{name} {visible(task.note)}"
    if task.state in TASK_ENDED and task.ended is not None:
        return f"{name} {task.state} in {duration(task.ended - task.since)}{again}{problem}"
    return None
