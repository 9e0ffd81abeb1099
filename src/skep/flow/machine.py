"""The flow machine: inputs in, what should exist out. No I/O, no clock, no randomness.

Fed the same inputs in the same order, a machine always says the same: recovery is feeding what the journal
holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skep.errors import InvalidTransition, ReplayDiverged
from skep.flow.inputs import (
    Answered,
    AnyWant,
    AskWant,
    CancelRequested,
    Changes,
    Ended,
    Input,
    Settled,
    Signalled,
    SignalWant,
    Started,
    TimerFired,
    TimerWant,
    Unanswered,
    Want,
)
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
            ReplayDiverged: a step has settled that is neither wanted nor ending, an answer or timer has come
                that nobody waits for, or the agent, input or question is not what this flow wants at its key.
            InvalidTransition: an input before `Started`, a second `Started`, or one after the flow's end;
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
        elif isinstance(event, CancelRequested):
            self._cancel(event)
        elif isinstance(event, Signalled):
            self._must_have_started()
            scheduler.signal(event)
        else:
            self._came(event)
        return self._changes()

    def _settled(self, event: Settled) -> None:
        lane = self._scheduler.waiting.get(event.key)
        if lane is not None:
            want = lane.want
            if type(want) is not Want or event.agent != want.agent or event.digest != want.digest:
                raise _diverged(event.key, f"agent {event.agent!r} with input {event.digest}", want)
            self._scheduler.settle(lane, event.key, event)
        elif event.key in self._scheduler.state.ending:
            self._scheduler.end(event.key)
        else:
            self._must_have_started()
            raise ReplayDiverged(
                f"step {event.key!r} of agent {event.agent!r} has settled, but the flow does not wait for it",
                where=event.key,
                fix=_PINNED,
            )

    def _came(self, event: Answered | Unanswered | TimerFired) -> None:
        """The end of a question or timer."""
        self._must_have_started()
        lane = self._scheduler.waiting.get(event.key)
        want = None if lane is None else lane.want
        if isinstance(event, TimerFired):
            fits, recorded = isinstance(want, TimerWant), "a timer"
        else:
            fits = isinstance(want, AskWant) and want.digest == event.digest
            recorded = f"question {event.digest}"
        if lane is None or not fits:
            raise _diverged(event.key, recorded, want)
        self._scheduler.settle(lane, event.key, event)

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
        if not fresh and not dropped and ended is None and not scheduler.mixed:
            return _NOTHING
        changes = (
            _sorted(scheduler) if scheduler.mixed else Changes(tuple(fresh.values()), tuple(dropped), ended)  # pyright: ignore[reportArgumentType] - only steps
        )
        fresh.clear()
        dropped.clear()
        return changes

    @property
    def kept_signals(self) -> int:
        """How many signals have come that nobody has waited for yet."""
        return sum(map(len, self._scheduler.state.kept.values()))

    def awaits_signal(self, name: str) -> bool:
        """Whether a signal of this name would be taken at once."""
        return name in self._scheduler.state.listening

    def wanted(self) -> list[AnyWant]:
        """Every step, question, timer and signal that should exist now, in program order.

        That is the sum of all `Changes` so far.
        """
        lanes = self._scheduler.lanes
        open_ = [ROOT_LANE] if ROOT_LANE in lanes else []
        wants: list[AnyWant] = []
        while open_:
            lane = lanes[open_.pop()]
            if lane.want is not None:
                wants.append(lane.want)
            elif lane.stack and isinstance(frame := lane.stack[-1], JoinFrame):
                open_.extend(reversed(frame.live.values()))
        return wants

    def want(self, key: str) -> AnyWant | None:
        """What should exist at this key now, if anything should."""
        lane = self._scheduler.waiting.get(key)
        return lane.want if lane is not None else None

    def ending(self) -> list[str]:
        """Keys of dropped steps whose end is still awaited, in the order in which they were dropped."""
        return list(self._scheduler.state.ending)


def _sorted(scheduler: Scheduler) -> Changes:
    """The changes of a feed in which not all wants are steps."""
    kinds: dict[type[AnyWant], list[Any]] = {Want: [], AskWant: [], TimerWant: [], SignalWant: []}
    for want in scheduler.fresh.values():
        kinds[type(want)].append(want)
    wants, asks, timers, signals = map(tuple, kinds.values())
    dropped, withdrawn = tuple(scheduler.dropped), tuple(scheduler.withdrawn)
    scheduler.withdrawn.clear()
    scheduler.mixed = False
    return Changes(wants, dropped, scheduler.state.ended, asks, timers, signals, withdrawn)


def _diverged(key: str, recorded: str, want: AnyWant | None) -> ReplayDiverged:
    return ReplayDiverged(
        f"{key!r} was recorded for {recorded}, but the flow wants {_expected(want)}", where=key, fix=_PINNED
    )


def _expected(want: AnyWant | None) -> str:
    if isinstance(want, Want):
        return f"agent {want.agent!r} with input {want.digest}"
    if isinstance(want, AskWant):
        return f"question {want.digest}"
    if isinstance(want, SignalWant):
        return f"signal {want.name!r}"
    return "nothing" if want is None else "a timer"
