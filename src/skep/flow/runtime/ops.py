"""What a compiled node is: something that a lane enters and, if it holds others, comes back to.

Nodes never call each other. They return the node to go on with, so turns and children cost no Python stack.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from skep.flow.inputs import AskWant, SignalWant, TimerWant, Want
    from skep.flow.runtime.frames import JoinFrame, Lane
    from skep.limits import Limits


class Run(Protocol):
    """What a node may ask of the run that it works for."""

    @property
    def limits(self) -> Limits: ...

    def want(self, lane: Lane, op: Op, want: Want) -> None:
        """Let `lane` wait for a step."""
        ...

    def await_outside(self, lane: Lane, op: Op, want: AskWant | TimerWant | SignalWant) -> None:
        """Let `lane` wait for something that is no step."""
        ...

    def take_signal(self, name: str) -> tuple[Any] | None:
        """The value of the oldest signal of this name that nobody has waited for yet, if there is one."""
        ...

    def start_lanes(self, lane: Lane, frame: JoinFrame) -> None:
        """Let `lane` wait for the lanes of `frame`, which is on top of its stack."""
        ...


class Op(ABC):
    """A compiled node; `node` is its place in the Program."""

    __slots__ = ("node",)

    def __init__(self) -> None:
        self.node = -1

    @abstractmethod
    def enter(self, run: Run, lane: Lane, /) -> Op:
        """Begin the node at `lane.key`.

        Returns the node to enter next, with `lane.key` set to its key, or `DONE` or `WAIT`.
        """

    def resume(self, _run: Run, lane: Lane, _frame: Any, /) -> Op:
        """Go on when what the frame on top of the stack waited for is done; by default that was all."""
        lane.stack.pop()
        return DONE


class _Signal(Op):
    __slots__ = ()

    def enter(self, _run: Run, _lane: Lane, /) -> Op:
        return self


DONE: Op = _Signal()
"""The node is done: go on with the frame on top of the stack."""
WAIT: Op = _Signal()
"""The lane waits, for a step or something else outside, or for lanes of its own."""
