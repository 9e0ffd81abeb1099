"""A run as its published events tell it. Memory grows with what is open, not with what has happened."""

from __future__ import annotations

import re
from collections import deque
from typing import Any, Final

from msgspec import Struct, field

from skep.cli.text import addressed, in_short

_LANE = re.compile(r"\[\d+\]")
_ENDS = {
    "task_pass": "done",
    "task_blocked": "failed",
    "task_timeout": "timeout",
    "task_cancelled": "cancelled",
}
ASKED: Final = frozenset(("question_asked", "senior_queried"))
ANSWERED: Final = frozenset(("question_answered", "senior_answered"))
_NODE_ENDS = ANSWERED | {"timer_fired", "question_closed"}

NOTES = 1_000
"""Notes kept for lanes and for attempts that are not durable yet; the oldest go first."""
TASK_ENDED: Final = frozenset(_ENDS.values())


class TaskView(Struct, kw_only=True):
    """One task: `waiting running retrying suspended`, then `done failed timeout cancelled`. Times are milliseconds.

    A flow's `ask` (`suspended`) and its `wait` for a time (`timer`) look like one, too.
    """

    id: str
    agent: str
    key: str
    state: str = "waiting"
    attempt: int = 0
    live: bool = False
    since: int = 0
    ended: int | None = None
    retry_at: int | None = None
    note: str | None = None
    due: int | None = None
    problem: str | None = None

    @property
    def name(self) -> str:
        """For a line of its own: `files[3] read`; the agent says more than an index in a sequence."""
        place, _, last = self.key.rpartition("/")
        place = place if last.isdigit() else self.key
        return place if place.endswith(self.agent) else f"{place} {self.agent}".strip()

    @property
    def lane(self) -> str:
        """The lanes and turns that lead to it, such as `[3][0]`; empty outside of any."""
        return "".join(_LANE.findall(self.key))


class PlaceView(Struct):
    """All tasks of one place in the flow (a step key without its lane numbers)."""

    agent: str
    is_step: bool = True
    ended: dict[str, int] = field(default_factory=dict)
    open: dict[str, TaskView] = field(default_factory=dict)
    last: TaskView | None = None
    failures: deque[TaskView] = field(default_factory=lambda: deque(maxlen=3))

    @property
    def total(self) -> int:
        return len(self.open) + sum(self.ended.values())


class RunView:
    """Feed it published events and stream items in order; an event that was seen before changes nothing."""

    def __init__(self) -> None:
        self.run_id = ""
        self.blueprint_id = ""
        self.status = "pending"
        self.started: int | None = None
        self.finished: int | None = None
        self.now = 0
        self.cancelling: str | None = None
        self.signals: set[str] = set()
        self.places: dict[str, PlaceView] = {}
        self._open: dict[str, TaskView] = {}
        self._notes: dict[str, str] = {}
        self._version = 0

    def apply(self, item: dict[str, Any]) -> TaskView | None:
        """Fold one item in; returns the task that it is about, if it is about one and changed it."""
        version = item.get("version")
        if version is not None:
            if version <= self._version:
                return None
            self._version = version
        self.now = max(self.now, item.get("at") or 0)
        kind: str = item["kind"]
        if "task_id" in item:
            return self._task_item(kind, item)
        self._run_item(kind, item)
        return None

    @property
    def running(self) -> int:
        return sum(task.state == "running" for task in self._open.values())

    @property
    def ended(self) -> int:
        return sum(sum(place.ended.values()) for place in self.places.values() if place.is_step)

    def _run_item(self, kind: str, item: dict[str, Any]) -> None:
        if kind == "run_started":
            self.run_id, self.blueprint_id = item["run_id"], item["blueprint_id"]
            self.started, self.status = item["at"], "running"
        elif kind == "run_cancel_requested":
            self.cancelling = item["reason"]
        elif kind == "run_finished":
            self.status, self.finished = item["status"], item["at"]
            for task in [task for task in self._open.values() if task.state == "timer"]:
                self._end(task, "cancelled", item)  # no event tells of a timer that is wanted no more
        elif kind in ASKED and "step_key" in item:
            self._node(item["key"], "ask", item["step_key"], "suspended", item)
        elif kind == "timer_started":
            self._node(f"timer {item['key']}", "wait", item["key"], "timer", item)
        elif kind in _NODE_ENDS:
            task = self._open.get(f"timer {item['key']}" if kind == "timer_fired" else item["key"])
            if task is not None:
                self._end(task, _node_end(item), item)
        elif kind == "signal_received":
            self.signals.add(item["name"])

    def _node(self, node_id: str, agent: str, key: str, state: str, item: dict[str, Any]) -> None:
        """A node of the flow waits for something outside."""
        task = TaskView(id=node_id, agent=agent, key=key, state=state, since=item["at"])
        if state == "suspended":
            task.note = f"{item['key']}  {in_short(item['question'], 80)}"
        task.due = item.get("due")
        place = self.places.setdefault(_LANE.sub("", key), PlaceView(agent, is_step=False))
        place.open[node_id] = place.last = self._open[node_id] = task

    def _task_item(self, kind: str, item: dict[str, Any]) -> TaskView | None:
        if kind == "task_created":
            return self._created(item)
        task = self._open.get(item["task_id"])
        if kind in ("progress", "partial"):
            return self._streamed(task, kind, item)
        if task is None:
            return None
        if kind in _ENDS:
            self._end(task, _ENDS[kind], item)
        elif kind == "task_attempt_started":
            task.state, task.attempt, task.since = "running", item["attempt"], item["at"]
            task.live, task.retry_at = True, None
            self._note(task, self._notes.get(f"{task.id} {task.attempt}"))
        elif kind == "task_attempt_completed":
            self._attempt_completed(task, item)
        elif kind == "task_attempt_interrupted":
            task.live, task.problem = False, "interrupted"
            task.state = "suspended" if task.state == "suspended" else "waiting"
        else:
            _suspend(task, kind, item)
        return task

    def _created(self, item: dict[str, Any]) -> TaskView:
        key = item.get("step_key")
        shown = f"started/{item['agent']}" if key is None else key
        task = TaskView(id=item["task_id"], agent=item["agent"], key=shown, since=item["at"])
        place = self.places.setdefault(_LANE.sub("", shown), PlaceView(task.agent))
        place.open[task.id] = place.last = self._open[task.id] = task
        task.note = self._notes.get(_lane_of(shown))
        return task

    def _end(self, task: TaskView, state: str, item: dict[str, Any]) -> None:
        task.state, task.ended, task.note = state, item["at"], None
        task.problem = item.get("message") or task.problem if state != "done" else None
        del self._open[task.id]
        place = self.places[_LANE.sub("", task.key)]
        del place.open[task.id]
        place.last = task
        place.ended[state] = place.ended.get(state, 0) + 1
        if state in ("failed", "timeout"):
            place.failures.append(task)

    def _attempt_completed(self, task: TaskView, item: dict[str, Any]) -> None:
        if item["ok"]:
            return
        task.problem = item.get("message") or item.get("reason")
        if item.get("retry_at") is not None:
            task.state, task.retry_at, task.note = "retrying", item["retry_at"], None

    def _streamed(self, task: TaskView | None, kind: str, item: dict[str, Any]) -> TaskView | None:
        note = _note_of(kind, item)
        if note is None:
            return None
        if task is None or item["attempt"] > task.attempt:
            # The live lane is ahead of the journal: its attempt is not durable yet.
            self._keep(f"{item['task_id']} {item['attempt']}", note)
            return None
        if item["attempt"] < task.attempt:
            return None
        self._note(task, note)
        return task

    def _note(self, task: TaskView, note: str | None) -> None:
        """What one step of a lane says tells its next ones apart from those of other lanes."""
        if note is not None and task.state != "suspended":
            task.note = note
            if lane := _lane_of(task.key):
                self._keep(lane, note)

    def _keep(self, key: str, note: str) -> None:
        self._notes.pop(key, None)
        self._notes[key] = note
        if len(self._notes) > NOTES:
            del self._notes[next(iter(self._notes))]


def _suspend(task: TaskView, kind: str, item: dict[str, Any]) -> None:
    """A task waits for an operator or an answer, or goes on."""
    if kind in ASKED and item["what"] == "work":
        task.note = f"{item['key']}  {addressed(item['audience'])}"
    elif kind == "task_suspended":
        task.state, task.note = "suspended", item["key"]
    elif kind == "task_resumed":
        task.state, task.note = "running" if task.live else "waiting", None


def _node_end(item: dict[str, Any]) -> str:
    if item["kind"] == "question_closed":
        return "timeout" if item["reason"] == "timeout" else "cancelled"
    return "done"


def _note_of(kind: str, item: dict[str, Any]) -> str | None:
    """The stage and note of a progress, the last line of a partial."""
    if kind == "progress":
        return ": ".join(part for part in (item.get("stage"), item.get("note")) if part) or None
    return next((line for line in reversed(str(item.get("chunk", "")).split("\n")) if line.strip()), None)


def _lane_of(key: str) -> str:
    """The key of the innermost lane or turn, such as `files[3]`; empty outside of any."""
    return key[: key.rfind("]") + 1]
