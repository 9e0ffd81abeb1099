"""A run as a tree of bounded height: the flow's outline, each place with its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from rich.text import Text

from skep.cli.text import duration, plural, visible
from skep.cli.view.model import PlaceView, RunView, TaskView
from skep.cli.view.outline import Spot

FUNCTION = "worker fn returned error: "
"""How a Python worker's problem begins; a line has no room for what all have in common."""
LABEL_WIDTH = 26
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_GLYPHS = {
    "pending": ("○", ".", "bright_black"),
    "waiting": ("○", ".", ""),
    "suspended": ("◌", "?", "yellow"),
    "running": ("●", "*", "cyan"),
    "timer": ("◷", "%", "cyan"),
    "retrying": ("↻", "~", "yellow"),
    "done": ("✓", "+", "green"),
    "failed": ("✗", "x", "red"),
    "timeout": ("✗", "x", "red"),
    "cancelled": ("⊘", "-", "bright_black"),
    "interrupted": ("◌", "-", "yellow"),
}
_BY_URGENCY = (
    "running",
    "retrying",
    "suspended",
    "timer",
    "waiting",
    "failed",
    "timeout",
    "cancelled",
    "done",
)
_SHOWN = frozenset(("running", "retrying", "suspended", "timer"))
_LANES_SHOWN = (6, 4, 2, 1, 0)


class Tree:
    """Renders a `RunView` along an outline; `unicode=False` for a terminal that has only ASCII."""

    def __init__(self, outline: Spot, *, unicode: bool = True) -> None:
        self._outline = outline
        self._unicode = unicode
        self._frame = 0

    def lines(self, view: RunView, now: int, height: int) -> list[Text]:
        """At most `height` lines; what there is no room for is counted in the last one."""
        self._frame = now // 100
        found: list[Text] = []
        for lanes in _LANES_SHOWN:
            found = list(self._spot_lines(self._outline, view, now, lanes, 0))
            if len(found) <= height:
                return found
        left = len(found) - max(1, height) + 1
        return [*found[: max(0, height - 1)], Text(f"  … {left} more lines", style="bright_black")]

    def _spot_lines(self, spot: Spot, view: RunView, now: int, lanes: int, depth: int) -> Iterator[Text]:
        place = view.places.get(spot.key) if spot.is_leaf else None
        state = self._state(spot, view)
        if view.finished is not None and state == "pending":
            return
        if spot.label:
            line = self._head(spot.label, state, depth)
            if place is not None and place.total == 1 and place.last is not None:
                self._add_task(line, place.last, now)
            elif place is not None:
                _add_counts(line, place)
            yield line
            depth += 1
        if place is not None and place.total > 1:
            yield from self._lanes(place, now, lanes, depth)
        for child in spot.children:
            yield from self._spot_lines(child, view, now, lanes, depth)

    def _state(self, spot: Spot, view: RunView) -> str:
        states: set[str] = set()
        for leaf in spot.leaves():
            place = view.places.get(leaf.key)
            if leaf.signal in view.signals:
                states.add("done")
            if place is not None:
                states.update(place.ended)
                states.update(task.state for task in place.open.values())
        if view.finished is None and states and states <= {"done"} and self._unfinished(spot, view):
            return "running"
        return next((state for state in _BY_URGENCY if state in states), "pending")

    def _unfinished(self, spot: Spot, view: RunView) -> bool:
        """Whether something of it has not been visited: a sequence between two steps is still running."""
        return any(leaf.key not in view.places and leaf.signal not in view.signals for leaf in spot.leaves())

    def _head(self, label: str, state: str, depth: int) -> Text:
        glyph, plain, style = _GLYPHS[state]
        if state == "running" and self._unicode:
            glyph = SPINNER[self._frame % len(SPINNER)]
        line = Text("  " * (depth + 1), no_wrap=True, overflow="ellipsis")
        line.append(glyph if self._unicode else plain, style=style)
        name = f" {visible(label, 60)}".ljust(LABEL_WIDTH - 2 * depth)
        line.append(name, style=style if state == "pending" else "")
        return line

    def _lanes(self, place: PlaceView, now: int, lanes: int, depth: int) -> Iterator[Text]:
        running = (task for task in place.open.values() if task.state in _SHOWN)
        for task in islice(running, lanes):
            line = self._head(task.lane or "·", task.state, depth)
            self._add_task(line, task, now)
            yield line
        for task in list(place.failures)[-lanes:] if lanes else ():
            line = self._head(task.lane or "·", task.state, depth)
            self._add_task(line, task, now)
            yield line

    def _add_task(self, line: Text, task: TaskView, now: int) -> None:
        if task.state == "waiting":
            return
        line.append(f"  {duration((task.ended or now) - task.since):>6}", style="bright_black")
        if task.attempt > 1:
            line.append(f"  attempt {task.attempt}", style="yellow")
        if task.state == "timer" and task.due is not None:
            line.append(f"  goes on in {duration(task.due - now)}", style="bright_black")
        if task.state == "retrying" and task.retry_at is not None:
            line.append(f"  again in {duration(task.retry_at - now)}", style="yellow")
        if task.problem and task.state not in ("running", "suspended"):
            problem = visible(task.problem.removeprefix(FUNCTION), 200)
            line.append(f"  {problem}", style="red" if task.ended else "yellow")
        elif task.note:
            line.append(f"  {visible(task.note, 200)}", style="bright_black")


def _add_counts(line: Text, place: PlaceView) -> None:
    counts = Counter(place.ended)
    counts.update(task.state for task in place.open.values())
    parts = [
        (f"{counts[state]:,} {state}", _GLYPHS[state][2]) for state in reversed(_BY_URGENCY) if counts[state]
    ]
    line.append("  ")
    for number, (text, style) in enumerate(parts):
        line.append(" · " if number else "", style="bright_black")
        line.append(text, style=style)


def status_line(view: RunView, now: int, hint: str = "", *, unicode: bool = True) -> Text:
    """The line under the tree: the run's own state, its counts, and `hint`."""
    state = view.status if view.status in _GLYPHS else "waiting"
    glyph, plain, style = _GLYPHS[state]
    if state == "running" and hint:
        glyph = SPINNER[now // 100 % len(SPINNER)]
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{glyph if unicode else plain} {view.status}", style=f"bold {style}")
    if view.started is not None:
        line.append(f" {duration((view.finished or now) - view.started)}")
    line.append(f"  {plural(view.ended, 'step')}", style="bright_black")
    if view.finished is None:
        line.append(f" · {view.running:,} running", style="bright_black")
    line.append(f"   {hint}" if hint else "", style="yellow" if view.cancelling else "bright_black")
    return line
