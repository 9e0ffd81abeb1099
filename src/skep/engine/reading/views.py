"""Events as people and programs see them: published shape, values filled in, no secret (DESIGN section 5, R-secret)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from skep import values
from skep.core import events as ev
from skep.core.outputs import Blob, ContentRef, FileRef, Final, Inline, file_fields
from skep.journal.base import Journal, Recorded, StreamItem

_SECRET = frozenset({"nonce", "handle", "launcher"})
_TOKEN_EVENTS = (ev.SessionAttached, ev.TokenMinted)


class EventView:
    """Turns the recorded events of one log, in order, into dicts.

    `result` of `task_attempt_completed`, `task_pass` and `task_blocked` is taken from the `worker_output` that
    decided; it is kept per open task only.
    """

    def __init__(self, journal: Journal, log: str) -> None:
        self._journal = journal
        self._log = log
        self._finals: dict[str, ContentRef] = {}

    def prime(self, recorded: Recorded) -> None:
        """Take note of an event that is not shown."""
        event = recorded.event
        if isinstance(event, ev.WorkerOutput) and isinstance(event.event, Final):
            self._finals[event.task_id] = event.event.content
        elif isinstance(event, ev.TaskPass | ev.TaskBlocked | ev.TaskTimeout | ev.TaskCancelled):
            self._finals.pop(event.task_id, None)

    async def show(self, recorded: Recorded) -> dict[str, Any]:
        """`{"kind", "log", "version", "position", "at", ...}` with the event's own fields."""
        event = recorded.event
        contents = dict(_contents(event))
        shown = _plain_fields(event, hidden=contents.keys())
        for name, content in contents.items():
            shown[name] = await self._content(content)
        self._fill_result(event, shown)
        result = shown.pop("result_ref", None)
        if result is not None:
            shown["result"] = await self.value(result)
        return {"log": recorded.log, "version": recorded.version, "position": recorded.position, **shown}

    async def value(self, content: ContentRef) -> Any:
        """The value that a reference means to a reader."""
        if isinstance(content, Inline):
            return values.decode(content.value)
        if isinstance(content, Blob):
            return values.decode(await self._journal.get_blob(content.sha256, log=self._log))
        return file_fields(content)

    async def _content(self, content: ContentRef) -> Any:
        if isinstance(content, FileRef):
            return {
                "kind": "file_ref",
                "path": content.path,
                "mime": content.mime,
                "size_hint": content.size_hint,
            }
        return await self.value(content)

    def _fill_result(self, event: ev.Event, shown: dict[str, Any]) -> None:
        if isinstance(event, ev.WorkerOutput):
            content = shown["event"]
            if isinstance(event.event, Final):
                self._finals[event.task_id] = event.event.content
                shown["event"] = {"type": "final", "ok": event.event.ok, "content": content}
            else:
                shown["event"] = {"type": "artifact", "name": event.event.name, "content": content}
        elif isinstance(event, ev.TaskAttemptCompleted | ev.TaskPass | ev.TaskBlocked):
            content = self._finals.get(event.task_id)
            if content is not None:
                shown["result_ref"] = content
        if isinstance(event, ev.TaskPass | ev.TaskBlocked | ev.TaskTimeout | ev.TaskCancelled):
            self._finals.pop(event.task_id, None)


def show_stream(item: StreamItem) -> dict[str, Any]:
    """A live `progress` or `partial`: its own fields, the task and the attempt."""
    event: dict[str, Any] = msgspec.json.decode(item.data)
    kind = event.pop("type")
    return {
        "kind": kind,
        "task_id": item.task_id,
        "attempt": item.attempt,
        "number": item.number,
        "at": item.at,
        **event,
    }


def _plain_fields(event: ev.Event, hidden: Collection[str]) -> dict[str, Any]:
    """The event's own fields, without what is absent, what `hidden` names, and what keys a capability."""
    shown: dict[str, Any] = {"kind": event.__struct_config__.tag}
    secret = _SECRET | {"parent"} if isinstance(event, _TOKEN_EVENTS) else _SECRET
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if value is not None and name not in hidden and name not in secret:
            shown[name] = msgspec.to_builtins(value)
    return shown


_CONTENTS: dict[type[ev.Event], tuple[str, ...]] = {
    ev.RunStarted: ("input",),
    ev.RunFinished: ("result",),
    ev.TaskCreated: ("directive",),
    ev.TaskCheckpoint: ("value",),
    ev.CallRecorded: ("reply",),
    ev.SignalReceived: ("value",),
    ev.ResourceSet: ("value",),
    ev.DirectiveInjected: ("directive",),
    ev.VerdictOverridden: ("value",),
    ev.QuestionAsked: ("question", "schema", "on_timeout"),
    ev.SeniorQueried: ("question", "schema", "on_timeout"),
    ev.QuestionAnswered: ("answer",),
    ev.SeniorAnswered: ("answer",),
}
"""The fields of each event that refer to values."""


def _contents(event: ev.Event) -> list[tuple[str, ContentRef]]:
    if isinstance(event, ev.WorkerOutput):
        return [("event", event.event.content)]
    named = ((name, getattr(event, name)) for name in _CONTENTS.get(type(event), ()))
    return [(name, content) for name, content in named if content is not None]
