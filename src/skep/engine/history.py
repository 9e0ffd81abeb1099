"""Settled tasks, read back from their log: what has left memory is still there to be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator

from skep.core import events as ev
from skep.core.outputs import OutputEvent
from skep.core.state import EngineState
from skep.core.tasks import TaskState
from skep.journal.base import Journal, Recorded

PAGE = 5_000

LAST = ev.TaskPass | ev.TaskBlocked | ev.TaskTimeout
"""Nothing follows them in the life of a task; after `task_cancelled` its worker still has to end."""


async def recorded_events(
    journal: Journal, log: str, task_id: str, after: int = 0
) -> AsyncIterator[Recorded]:
    """What is durably recorded of one task after a version of its log, oldest first."""
    while page := await journal.read(log, after, PAGE):
        for recorded in page:
            if getattr(recorded.event, "task_id", None) == task_id:
                yield recorded
                if isinstance(recorded.event, LAST):
                    return
        after = page[-1].version


async def settled_task(journal: Journal, log: str, task_id: str) -> TaskState | None:
    """The task as its events left it, or `None` if the log does not know it."""
    state = EngineState()
    task: TaskState | None = None
    async for recorded in recorded_events(journal, log, task_id):
        state.apply(recorded.event)
        task = state.tasks.get(task_id) or task
    return task


async def question_asked(journal: Journal, log: str, key: str) -> ev.QuestionAsked | None:
    """The ask of a question of this log, open or ended."""
    after = 0
    while page := await journal.read(log, after, PAGE):
        for recorded in page:
            if isinstance(recorded.event, ev.QuestionAsked) and recorded.event.key == key:
                return recorded.event
        after = page[-1].version
    return None


async def output_tail(journal: Journal, log: str, task_id: str, attempt: int) -> list[OutputEvent]:
    """What one attempt recorded: finals and artifacts, the layers' own included."""
    return [
        recorded.event.event
        async for recorded in recorded_events(journal, log, task_id)
        if isinstance(recorded.event, ev.WorkerOutput) and recorded.event.attempt == attempt
    ]
