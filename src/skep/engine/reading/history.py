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


class TaskReader:
    """One task as its log has it; each look reads on from where the last one ended."""

    def __init__(self, journal: Journal, log: str, task_id: str) -> None:
        self._journal = journal
        self._log = log
        self._task_id = task_id
        self._state = EngineState()
        self._task: TaskState | None = None
        self._over = False
        self.version = 0
        """As far as the log has been read."""

    async def look(self) -> TaskState | None:
        """The task as its events have left it so far, or `None` if the log does not know it."""
        while not self._over and (page := await self._journal.read(self._log, self.version, PAGE)):
            for recorded in page:
                self._take(recorded)
        return self._task

    def _take(self, recorded: Recorded) -> None:
        self.version = recorded.version
        if not self._over and getattr(recorded.event, "task_id", None) == self._task_id:
            self._state.apply(recorded.event)
            self._task = self._state.tasks.get(self._task_id) or self._task
            self._over = isinstance(recorded.event, LAST)


async def settled_task(journal: Journal, log: str, task_id: str) -> TaskState | None:
    """The task as its events left it, or `None` if the log does not know it."""
    return await TaskReader(journal, log, task_id).look()


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
