"""The flow machine: inputs in, what should exist out. No I/O, no clock, no randomness.

Fed the same inputs in the same order, a machine always says the same: recovery is feeding what the journal
holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skep.errors import InvalidTransition, ReplayDiverged
from skep.flow.inputs import CancelRequested, Changes, Ended, Input, Settled, Started, Want
from skep.flow.runtime.frames import JoinFrame, MachineState
from skep.flow.runtime.scheduler import ROOT_LANE, Scheduler

if TYPE_CHECKING:
    from skep.flow.program import Program

__all__ = ["Machine", "MachineState"]

_NOTHING = Changes()
_PINNED = "recover the run with the Blueprint version that it was started with"


class Machine:
    """One run of a Program.

    Values are shared, never copied: nobody may change a ctx, a `Want.input` or a `Settled.value`.

    >>> from skep.flow.expr import PathExpr
    >>> from skep.flow.nodes import Step
    >>> from skep.flow.path import Path
    >>> from skep.flow.program import compile_flow
    >>> step = Step(agent="double", input=PathExpr(Path(("n",))), out=Path(("n",)))
    >>> machine = Machine(compile_flow(step))
    >>> [want] = machine.feed(Started({"n": 2})).wants
    >>> want.key, want.agent, want.input
    ('0', 'double', 2)
    >>> machine.feed(Settled(want.key, "pass", want.agent, want.digest, value=4)).ended.ctx
    {'n': 4}
    """

    __slots__ = ("_program", "_scheduler")

    def __init__(self, program: Program) -> None:
        self._program = program
        self._scheduler = Scheduler(program.ops, program.limits, MachineState())

    @classmethod
    def load(cls, program: Program, state: MachineState) -> Machine:
        """A machine that goes on from `state`, a `dump` of one with the same program."""
        machine = cls(program)
        machine._scheduler = Scheduler(program.ops, program.limits, state.copy())
        return machine

    def dump(self) -> MachineState:
        """Where the run stands, as plain data that survives a round trip through JSON."""
        return self._scheduler.snapshot()

    @property
    def ended(self) -> Ended | None:
        """How the flow ended, once it has and every dropped step has, too."""
        return self._scheduler.state.ended

    def feed(self, event: Input) -> Changes:
        """Take one input; what it changed.

        Raises:
            ReplayDiverged: a step has settled that is neither wanted nor ending, or whose agent or input is
                not what this flow wants at its key.
            InvalidTransition: an input before `Started`, a second `Started`, or a step's end after the flow's;
                a cancel that comes too late is none.

        The machine is as it was before when `feed` raises one of these.
        """
        scheduler = self._scheduler
        state = scheduler.state
        if state.ended is not None:
            if isinstance(event, CancelRequested):
                return _NOTHING
            raise InvalidTransition(f"the flow has ended ({state.ended.status})", fix="feed nothing more")
        if isinstance(event, Settled):
            self._settled(event)
        elif isinstance(event, Started):
            if state.next_lane:
                raise InvalidTransition("the flow has already started", fix="feed Started once")
            scheduler.begin(self._program.root, self._program.root_key, event.ctx)
        else:
            self._cancel(event)
        return self._changes()

    def _settled(self, event: Settled) -> None:
        lane = self._scheduler.waiting.get(event.key)
        if lane is not None:
            want = lane.want
            if want is None or event.agent != want.agent or event.digest != want.digest:
                raise _diverged(event, want)
            self._scheduler.settle(lane, event)
        elif event.key in self._scheduler.state.ending:
            self._scheduler.end(event.key)
        else:
            self._must_have_started()
            raise ReplayDiverged(
                f"step {event.key!r} of agent {event.agent!r} has settled, but the flow does not wait for it",
                where=event.key,
                fix=_PINNED,
            )

    def _cancel(self, event: CancelRequested) -> None:
        self._must_have_started()
        if self._scheduler.state.halted is None:
            self._scheduler.halt(Ended("cancelled", reason=event.reason))

    def _must_have_started(self) -> None:
        if not self._scheduler.state.next_lane:
            raise InvalidTransition("the flow has not started", fix="feed Started first")

    def _changes(self) -> Changes:
        scheduler = self._scheduler
        fresh, dropped, ended = scheduler.fresh, scheduler.dropped, scheduler.state.ended
        if not fresh and not dropped and ended is None:
            return _NOTHING
        changes = Changes(tuple(fresh.values()), tuple(dropped), ended)
        fresh.clear()
        dropped.clear()
        return changes

    def wanted(self) -> list[Want]:
        """Every step that should exist now, in program order: the sum of all `Changes` so far."""
        lanes = self._scheduler.lanes
        open_ = [ROOT_LANE] if ROOT_LANE in lanes else []
        wants: list[Want] = []
        while open_:
            lane = lanes[open_.pop()]
            if lane.want is not None:
                wants.append(lane.want)
            elif lane.stack and isinstance(frame := lane.stack[-1], JoinFrame):
                open_.extend(reversed(frame.live.values()))
        return wants

    def ending(self) -> list[str]:
        """Keys of dropped steps whose end is still awaited, in the order in which they were dropped."""
        return list(self._scheduler.state.ending)


def _diverged(event: Settled, want: Want | None) -> ReplayDiverged:
    recorded = f"agent {event.agent!r} with input {event.digest}"
    expected = "nothing" if want is None else f"agent {want.agent!r} with input {want.digest}"
    return ReplayDiverged(
        f"step {event.key!r} was recorded for {recorded}, but the flow wants {expected}",
        where=event.key,
        fix=_PINNED,
    )
