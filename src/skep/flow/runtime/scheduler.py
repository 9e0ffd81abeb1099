"""Moves lanes on until each of them waits: the one loop behind every `feed`.

Structs are told apart by `type`: `isinstance` takes four times as long to say no of one.

`todo` holds what this feed still has to do: a lane with the node it goes on with (or the fault it has met),
or a join whose next lane is to be started. Last in, first out is program order, and nested lanes need no
Python stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from skep.errors import FlowError, LimitExceeded
from skep.flow.growth import check_growth
from skep.flow.inputs import (
    Answered,
    AnyWant,
    AskWant,
    Ended,
    Settled,
    Signalled,
    SignalWant,
    TimerFired,
    TimerWant,
    Unanswered,
    Want,
)
from skep.flow.runtime.faults import fault_of
from skep.flow.runtime.frames import Fault, JoinFrame, Lane, MachineState, Outcome, TryFrame, Value
from skep.flow.runtime.ops import DONE, WAIT, Op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skep.limits import Limits

Coming = Settled | Answered | Unanswered | TimerFired | Signalled
"""What a lane goes on from."""

ROOT_LANE = 0
NOBODY = -1


class Scheduler:
    """The live form of a `MachineState`, and what the present feed has changed.

    That is `fresh` wants, `dropped` steps and `withdrawn` other wants; `mixed` says that not all are steps.
    """

    __slots__ = (
        "_fuel", "_ops", "_todo", "dropped", "fresh", "lanes", "limits", "mixed", "state", "waiting", "withdrawn",
    )  # fmt: skip

    def __init__(self, ops: tuple[Op, ...], limits: Limits, state: MachineState) -> None:
        self.limits = limits
        self.state = state
        self.lanes: dict[int, Lane] = {lane.id: lane for lane in state.lanes}
        self.waiting: dict[str, Lane] = {lane.want.key: lane for lane in state.lanes if lane.want}
        self.fresh: dict[str, AnyWant] = {}
        self.dropped: list[str] = []
        self.withdrawn: list[str] = []
        self.mixed = False
        self._ops: tuple[Any, ...] = ops  # which kind stands at a place follows from the frame that names it
        self._todo: list[tuple[Lane, Op | Fault | JoinFrame]] = []
        self._fuel = 0

    # -- for the machine -----------------------------------------------------------------------

    def begin(self, root: Op, key: str, ctx: Any) -> None:
        """Start the flow."""
        self._drive(self._new_lane(ctx, key, NOBODY, 0), root)

    def settle(self, lane: Lane, key: str, event: Coming) -> None:
        """Go on from what `lane` waits for."""
        del self.waiting[key]
        lane.want = None
        try:
            self._ops[lane.node].settle(lane, event)
            task: Op | Fault = DONE
        except FlowError as error:
            task = self._catch(lane, fault_of(error, key))
        self._drive(lane, task)

    def signal(self, event: Signalled) -> None:
        """Hand a signal to who has waited longest for it, or keep it."""
        listening = self.state.listening.get(event.name)
        if listening is None:
            self.state.kept.setdefault(event.name, []).append(event.value)
            return
        key = next(iter(listening))
        self._stop_listening(event.name, key)
        self.settle(self.waiting[key], key, event)

    def end(self, key: str) -> None:
        """Count the end of a dropped step."""
        owner = self.state.ending.pop(key)
        if self.state.halted is not None:
            self._end_if_quiet(self.state.halted)
            return
        lane = self.lanes[owner]
        frame = _top_join(lane)
        frame.unended -= 1
        if frame.unended == 0:
            self._drive(lane, DONE)

    def halt(self, end: Ended) -> None:
        """Drop everything; `end` comes when all of it has ended."""
        self._todo.clear()
        self._drop((ROOT_LANE,), NOBODY)
        self.state.halted = end
        self._end_if_quiet(end)

    def snapshot(self) -> MachineState:
        """The state as it is now."""
        self.state.lanes = list(self.lanes.values())
        return self.state.copy()

    # -- for the nodes (`ops.Run`) -------------------------------------------------------------

    def want(self, lane: Lane, op: Op, want: AnyWant) -> None:
        state = self.state
        if state.steps >= self.limits.max_steps:
            raise LimitExceeded("max_steps", self.limits.max_steps, fix="does a loop lack its end?")
        if len(self.waiting) >= self.limits.max_open_tasks:
            raise LimitExceeded("max_open_tasks", self.limits.max_open_tasks, fix="set max_concurrency")
        state.steps += 1
        lane.node = op.node
        lane.want = self.fresh[want.key] = want
        self.waiting[want.key] = lane

    def await_outside(self, lane: Lane, op: Op, want: AskWant | TimerWant | SignalWant) -> None:
        self.want(lane, op, want)
        self.mixed = True
        if isinstance(want, SignalWant):
            self.state.listening.setdefault(want.name, {})[want.key] = lane.id

    def take_signal(self, name: str) -> tuple[Any] | None:
        kept = self.state.kept
        if name not in kept:
            return None
        value = kept[name].pop(0)
        if not kept[name]:
            del kept[name]
        return (value,)

    def start_lanes(self, lane: Lane, frame: JoinFrame) -> None:
        self._todo.append((lane, frame))

    # -- the loop ------------------------------------------------------------------------------

    def _drive(self, lane: Lane, task: Op | Fault) -> None:
        """Do `task` and all that follows from it."""
        self._fuel = self.limits.max_pure_nodes
        todo = self._todo
        try:
            self._advance(lane, task)
            while todo:
                lane, following = todo.pop()
                if type(following) is JoinFrame:
                    self._start_next(lane, following)
                else:
                    self._advance(lane, following)
        except LimitExceeded as error:
            # Not a FlowError: a bound of the host is not for the flow to catch.
            self.halt(Ended("failed", error=fault_of(error, lane.key).to_dict()))

    def _advance(self, lane: Lane, task: Op | Fault) -> None:
        """Move one lane on until it waits or ends."""
        if type(task) is Fault:
            self._lane_ended(lane, task)
            return
        op, stack = task, lane.stack
        while op is not WAIT:
            try:
                if op is not DONE:
                    self._fuel -= 1
                    if self._fuel < 0:
                        self._stop()
                    op = op.enter(self, lane)
                elif stack:
                    frame = stack[-1]
                    op = self._ops[frame.node].resume(self, lane, frame)
                else:
                    self._lane_ended(lane, self._result(lane))
                    return
            except FlowError as error:
                caught = self._catch(lane, fault_of(error, lane.key))
                if isinstance(caught, Fault):
                    self._lane_ended(lane, caught)
                    return
                op = caught

    def _stop(self) -> NoReturn:
        """The fuel of this feed is used up."""
        raise LimitExceeded("max_pure_nodes", self.limits.max_pure_nodes, fix="does a loop lack a step?")

    def _catch(self, lane: Lane, fault: Fault) -> Op | Fault:
        """Unwind to the nearest `try`; the fault itself where there is none."""
        stack = lane.stack
        while stack:
            frame = stack.pop()
            if isinstance(frame, TryFrame):
                try:
                    return self._ops[frame.node].caught(lane, frame, fault)
                except FlowError as error:
                    fault = fault_of(error, lane.key)
        return fault

    # -- lanes and joins -----------------------------------------------------------------------

    def _new_lane(self, ctx: Any, key: str, parent: int, number: int) -> Lane:
        lane = Lane(self.state.next_lane, ctx, key, parent, number)
        self.state.next_lane += 1
        self.lanes[lane.id] = lane
        return lane

    def _start_next(self, parent: Lane, frame: JoinFrame) -> None:
        """Start one lane of a join.

        The join stands in `todo` exactly while a lane may be started, below the lane just started: that one
        may end at once and decide the join before the next has begun.
        """
        if not frame.starting:
            return
        self._fuel -= 1
        if self._fuel < 0:
            self._stop()
        fork = self._ops[frame.node]
        number = frame.next
        lane = self._new_lane(parent.ctx, fork.lane_key(frame.key, number), parent.id, number)
        try:
            task = fork.begin(lane, frame)
        except FlowError as error:
            task = fault_of(error, lane.key)
        frame.started(number, lane.id)
        if frame.starting:
            self._todo.append((parent, frame))
        self._todo.append((lane, task))

    def _result(self, lane: Lane) -> Value:
        """What a lane at its end is worth. An error in `select` is that of the lane as a whole."""
        if lane.parent == NOBODY:
            return Value(lane.ctx)
        frame = _top_join(self.lanes[lane.parent])
        fork = self._ops[frame.node]
        lane.key = fork.lane_key(frame.key, lane.number)
        return fork.result(lane)

    def _lane_ended(self, lane: Lane, outcome: Outcome) -> None:
        if lane.parent == NOBODY:
            self._flow_ended(outcome)
            return
        parent = self.lanes[lane.parent]
        frame = _top_join(parent)
        was_full = len(frame.live) == frame.room
        del self.lanes[lane.id], frame.live[lane.number]
        decided = self._ops[frame.node].settle(frame, lane.number, outcome)
        if decided is not None:
            self._decide(parent, frame, decided)
        elif was_full and frame.starting:
            self._todo.append((parent, frame))

    def _decide(self, parent: Lane, frame: JoinFrame, outcome: Outcome) -> None:
        """Drop the losers; the parent goes on at once if none of them runs."""
        losers = tuple(frame.live.values())
        frame.close(outcome)
        frame.ending = self._drop(losers, parent.id)
        frame.unended = len(frame.ending)
        if frame.unended == 0:
            self._todo.append((parent, DONE))

    def _drop(self, lane_ids: Sequence[int], owner: int) -> list[str]:
        """Forget lanes and all that they started; the keys of steps whose end `owner` now awaits."""
        ending, awaited = self.state.ending, list[str]()
        open_ = list(reversed(lane_ids))
        while open_:
            lane = self.lanes.pop(open_.pop())
            if lane.want is not None:
                awaited += self._drop_want(lane.want)
            elif lane.stack and isinstance(frame := lane.stack[-1], JoinFrame):
                open_.extend(reversed(frame.live.values()))
                awaited += [key for key in frame.ending if ending.get(key) == lane.id]
        ending.update(dict.fromkeys(awaited, owner))
        return awaited

    def _drop_want(self, want: AnyWant) -> list[str]:
        """What was wanted in this same feed has never left the machine: nothing is to be ended."""
        key = want.key
        del self.waiting[key]
        if isinstance(want, SignalWant):
            self._stop_listening(want.name, key)
        if self.fresh.pop(key, None) is not None:
            return []
        if isinstance(want, Want):
            self.dropped.append(key)
            return [key]
        self.withdrawn.append(key)
        self.mixed = True
        return []

    def _stop_listening(self, name: str, key: str) -> None:
        listening = self.state.listening
        del listening[name][key]
        if not listening[name]:
            del listening[name]

    # -- the end -------------------------------------------------------------------------------

    def _flow_ended(self, outcome: Outcome) -> None:
        if isinstance(outcome, Fault):
            end = Ended("failed", error=outcome.to_dict())
        else:
            check_growth(outcome.value, self.limits)
            end = Ended("done", outcome.value)
        self.lanes.clear()
        self.state.ended = end

    def _end_if_quiet(self, end: Ended) -> None:
        if not self.state.ending:
            self.state.ended = end


def _top_join(lane: Lane) -> JoinFrame:
    frame = lane.stack[-1]
    assert isinstance(frame, JoinFrame)  # noqa: S101 - a lane with lanes of its own waits for their join
    return frame
