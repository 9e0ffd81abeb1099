"""The record of a worker that runs again from it after an interruption: `call_recorded` events of its task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from skep import values
from skep.core import events as ev
from skep.core.outputs import ContentRef
from skep.core.tasks import TaskState
from skep.engine.ledger import Ledger
from skep.engine.reading.history import recorded_events
from skep.journal.base import Journal
from skep.workers.base import RecordedCall

Value = Callable[[ContentRef, str], Awaitable[Any]]
"""The value that a reference in a log stands for."""


def call_event(ledger: Ledger, task: TaskState, call: RecordedCall) -> ev.CallRecorded:
    """The event that keeps `call`; a large reply becomes a blob."""
    reply = None if call.reply is None else ledger.store(call.reply, task.log)
    return ev.CallRecorded(
        at=ledger.now(),
        task_id=task.id,
        attempt=task.attempt,
        branch=call.branch,
        name=call.name,
        digest=call.digest,
        reply=reply,
    )


async def earlier_calls(journal: Journal, task: TaskState, value: Value) -> list[RecordedCall]:
    """What the attempts before this one have recorded, since the last that ended by itself."""
    kept: list[ev.CallRecorded] = []
    if task.interruptions == 0:
        return []
    async for recorded in recorded_events(journal, task.log, task.id):
        event = recorded.event
        if isinstance(event, ev.CallRecorded) and event.attempt < task.attempt:
            kept.append(event)
        elif isinstance(event, ev.TaskAttemptCompleted):
            kept.clear()
    return [await _call(event, task.log, value) for event in kept]


async def _call(event: ev.CallRecorded, log: str, value: Value) -> RecordedCall:
    reply = None if event.reply is None else values.canonical(await value(event.reply, log))
    return RecordedCall(event.branch, event.name, event.digest, reply)
