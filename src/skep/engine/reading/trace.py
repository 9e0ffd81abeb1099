"""A page of what was recorded of a run or a task, as it is shown outside."""

from __future__ import annotations

from typing import Any

from skep.core import events as ev
from skep.core.outputs import Final
from skep.engine.reading.history import PAGE, recorded_events
from skep.engine.reading.views import EventView
from skep.journal.base import Journal, Recorded

ENDS = ev.TaskAttemptCompleted | ev.TaskPass | ev.TaskBlocked
"""Shown with the result that a `worker_output` before them brought."""


async def read_page(
    journal: Journal, log: str, after: int, limit: int, task_id: str | None = None
) -> list[dict[str, Any]]:
    """The first `limit` events after version `after`, of one task or of all."""
    page = await _page(journal, log, after, limit, task_id)
    view = EventView(journal, log)
    await _prime(journal, log, after, view, _owed(page))
    return [await view.show(recorded) for recorded in page]


async def _page(journal: Journal, log: str, after: int, limit: int, task_id: str | None) -> list[Recorded]:
    if task_id is None:
        return await journal.read(log, after, limit)
    page: list[Recorded] = []
    async for recorded in recorded_events(journal, log, task_id, after):
        page.append(recorded)
        if len(page) == limit:
            break
    return page


def _owed(page: list[Recorded]) -> set[str]:
    """Tasks that end in this page with a result which may stand before it."""
    owed: set[str] = set()
    known: set[str] = set()
    for recorded in page:
        event = recorded.event
        if isinstance(event, ev.TaskAttemptStarted) or _is_final(event):
            known.add(event.task_id)  # type: ignore[union-attr] # both are about a task
        elif isinstance(event, ENDS) and event.task_id not in known:
            owed.add(event.task_id)
    return owed


async def _prime(journal: Journal, log: str, after: int, view: EventView, owed: set[str]) -> None:
    """Show the view the results that are owed, going back from the page only as far as it takes."""
    while owed and after > 0:
        start = max(0, after - PAGE)
        for recorded in reversed(await journal.read(log, start, after - start)):
            event = recorded.event
            if _is_final(event) and event.task_id in owed:  # type: ignore[union-attr] # it is a worker_output
                view.prime(recorded)
                owed.discard(event.task_id)  # type: ignore[union-attr] # it is a worker_output
            elif isinstance(event, ev.TaskAttemptStarted):
                owed.discard(event.task_id)
        after = start


def _is_final(event: ev.Event) -> bool:
    return isinstance(event, ev.WorkerOutput) and isinstance(event.event, Final)
