"""Settled tasks, read back from their log: what has left memory is still there to be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator

from skep.core import events as ev
from skep.core.outputs import OutputEvent
from skep.core.state import EngineState
from skep.core.tasks import TaskState
from skep.journal.base import Journal

PAGE = 5_000


async def task_events(journal: Journal, log: str, task_id: str) -> AsyncIterator[ev.AnyEvent]:
    """The durable events of one task, oldest first."""
    after = 0
    while page := await journal.read(log, after, PAGE):
        for recorded in page:
            if getattr(recorded.event, "task_id", None) == task_id:
                yield recorded.event
        after = page[-1].version


async def settled_task(journal: Journal, log: str, task_id: str) -> TaskState | None:
    """The task as its events left it, or `None` if the log does not know it."""
    state = EngineState()
    task: TaskState | None = None
    async for event in task_events(journal, log, task_id):
        state.apply(event)
        task = state.tasks.get(task_id) or task
    return task


async def output_tail(journal: Journal, log: str, task_id: str, attempt: int) -> list[OutputEvent]:
    """What one attempt recorded: finals and artifacts, the layers' own included."""
    return [
        event.event
        async for event in task_events(journal, log, task_id)
        if isinstance(event, ev.WorkerOutput) and event.attempt == attempt
    ]
