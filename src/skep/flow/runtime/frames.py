"""Where a run stands, as plain data: lanes, each with a stack of frames.

A lane is one line of control with a ctx of its own: the flow itself, or one lane of a fanout or parallel. A
frame is a node that has begun and waits for something inside it; `node` is its place in the Program. Nothing
of what has finished is kept, so a run's size depends on what is in flight, not on its history.
"""

from __future__ import annotations

from copy import copy
from typing import Any, final

from msgspec import Struct

from skep.flow.inputs import AnyWant, Ended


@final
class Value(Struct, frozen=True, tag="value", gc=False):
    """A lane or join that has ended well."""

    value: Any


@final
class Fault(Struct, frozen=True, tag="fault", omit_defaults=True, gc=False):
    """An error on its way to the nearest `try` or join; `step` is the key of the node where it happened."""

    code: str
    message: str
    step: str
    fix: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """What `Ended.error` holds."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "step": self.step}
        return error if self.fix is None else {**error, "fix": self.fix}


Outcome = Value | Fault


class SeqFrame(Struct, tag="seq", gc=False):
    """`at` is the next child."""

    node: int
    key: str
    at: int = 0


class LoopFrame(Struct, tag="loop", gc=False):
    """`turn` is the next turn; the flow's own counter may be overwritten by the body, this one not."""

    node: int
    key: str
    turn: int = 0


class TryFrame(Struct, tag="try", gc=False):
    """`ctx` is what the body began with."""

    node: int
    key: str
    ctx: Any


@final
class JoinFrame(Struct, tag="join", gc=False):
    """A fanout or parallel whose lanes run, or (with an `outcome`) whose losers are ending."""

    node: int
    key: str
    size: int
    room: int
    """Lanes that may run at once."""
    items: list[Any]
    results: list[Any]
    """By lane; as far as the join needs them."""
    next: int = 0
    """The first lane that has not been started."""
    live: dict[int, int] = {}
    """Number of the lane here -> `Lane.id`, in order."""
    settled: int = 0
    fault: Fault | None = None
    """`any`: the failure of the last lane, in lane order, that has failed so far."""
    fault_at: int = -1
    outcome: Outcome | None = None
    winner: int = -1
    """`any` and `race`: whose outcome it is."""
    ending: list[str] = []
    """Keys of dropped steps; `unended` of them have not ended yet."""
    unended: int = 0

    @property
    def starting(self) -> bool:
        """Whether a further lane is to be started now."""
        return self.outcome is None and self.next < self.size and len(self.live) < self.room

    def started(self, number: int, lane_id: int) -> None:
        """Count a lane that has begun."""
        self.live[number] = lane_id
        self.next = number + 1
        if self.next == self.size:
            self.items = []

    def close(self, outcome: Outcome) -> None:
        """Decide, and forget what only an undecided join needs."""
        self.outcome = outcome
        self.live = {}
        self.items = []
        self.results = []
        self.fault = None


Frame = SeqFrame | LoopFrame | TryFrame | JoinFrame


class Lane(Struct, gc=False):
    """One line of control. It waits for `want`, or for the JoinFrame on top of its stack."""

    id: int
    ctx: Any
    key: str
    """The node that the lane has come to; at first that of the lane itself."""
    parent: int = -1
    number: int = 0
    """Its place among the lanes of the join that started it."""
    node: int = -1
    want: AnyWant | None = None
    stack: list[Frame] = []


class MachineState(Struct):
    """All that a Machine needs to go on, but for its Program. It survives a round trip through JSON."""

    lanes: list[Lane] = []
    next_lane: int = 0
    steps: int = 0
    """Everything that has been wanted so far."""
    ending: dict[str, int] = {}
    """Key of a dropped step whose end is awaited -> `Lane.id` of who awaits it (-1: the end of the run)."""
    listening: dict[str, dict[str, int]] = {}
    """Name of a signal -> key of each node that waits for it, the oldest first -> its `Lane.id`."""
    kept: dict[str, list[Any]] = {}
    """Name of a signal -> the values that came before anybody waited, in order."""
    halted: Ended | None = None
    """The end that has been decided; it comes when `ending` is empty."""
    ended: Ended | None = None

    def copy(self) -> MachineState:
        """A state that shares values with this one, but nothing that a Machine changes."""
        twin = copy(self)
        twin.lanes = [_copy_lane(lane) for lane in self.lanes]
        twin.ending = self.ending.copy()
        twin.listening = {name: keys.copy() for name, keys in self.listening.items()}
        twin.kept = {name: values.copy() for name, values in self.kept.items()}
        return twin


def _copy_lane(lane: Lane) -> Lane:
    twin = copy(lane)
    twin.stack = [_copy_frame(frame) for frame in lane.stack]
    return twin


def _copy_frame(frame: Frame) -> Frame:
    twin = copy(frame)
    if isinstance(twin, JoinFrame):
        twin.live = twin.live.copy()
        twin.results = twin.results.copy()
    return twin
