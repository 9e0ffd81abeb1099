"""What a process that has died left open in the log of a session: ended by whoever owns the log next.

The caller of `dispatch_attempt` drove each attempt there, and has gone with its process: nothing would go on by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from skep.core import events as ev
from skep.core import transitions
from skep.core.state import EngineState
from skep.core.tasks import TaskState
from skep.journal.base import Journal


async def close_left_open(journal: Journal, log: str, now: int) -> None:
    """Cancel the open tasks of a log that we own and that nobody here has folded; durable on return."""
    state = EngineState()
    version = 0
    while page := await journal.read(log, version):
        for recorded in page:
            if _is_of_a_task(recorded.event, state):
                state.apply(recorded.event)
        version = page[-1].version
    at = max(now, state.latest)
    ended = [event for task in tuple(state.tasks.values()) for event in _end(task, state, at)]
    if ended:
        await journal.flushed(journal.append(log, version + 1, ended))


def _is_of_a_task(event: ev.AnyEvent, state: EngineState) -> bool:
    """Of a task whose beginning is still in the log."""
    return isinstance(event, ev.TaskCreated) or getattr(event, "task_id", None) in state.tasks


def _end(task: TaskState, state: EngineState, at: int) -> Iterator[ev.AnyEvent]:
    if task.status != "cancelled":
        for event in transitions.cancel_task(task, at):
            state.apply(event)
            yield event  # type: ignore[misc] # the union's base
    if task.live:
        yield from transitions.interrupt_attempt(task, at)  # type: ignore[misc] # the union's base
