"""The nodes that hold no others and do not wait for people or time: `step` and `let`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skep import values
from skep.errors import LimitExceeded
from skep.flow.growth import check_growth
from skep.flow.inputs import Settled, Want
from skep.flow.path import compile_write
from skep.flow.runtime.faults import Raised, boolean, step_fault
from skep.flow.runtime.ops import DONE, WAIT, Op, Run

if TYPE_CHECKING:
    from skep.flow.evaluate import Evaluate
    from skep.flow.nodes import Let, Step
    from skep.flow.runtime.frames import Lane
    from skep.limits import Limits


class StepOp(Op):
    """Wants a step; what it brings is written by `settle`."""

    __slots__ = ("agent", "input", "retry", "timeout", "write")

    def __init__(self, step: Step, evaluate: Evaluate) -> None:
        super().__init__()
        self.agent = step.agent
        self.input = evaluate
        self.write = compile_write(step.out)
        self.retry = step.retry
        self.timeout = step.timeout

    def enter(self, run: Run, lane: Lane, /) -> Op:
        value = self.input(lane.ctx)
        check_size(value, run.limits)
        data = values.canonical(value)
        if len(data) > run.limits.max_value_bytes:
            raise LimitExceeded(
                "max_value_bytes", run.limits.max_value_bytes, fix="give the step less, or a file"
            )
        run.want(lane, self, Want(lane.key, self.agent, data, values.digest(data), self.retry, self.timeout))
        return WAIT

    def settle(self, lane: Lane, event: Settled) -> None:
        """Write the value of a step that passed.

        Raises:
            Raised: it did not pass.
            EvalError: `out` does not fit the ctx.
        """
        if event.status != "pass":
            raise Raised(step_fault(event, self.agent))
        lane.ctx = self.write(lane.ctx, event.value)


class SkippableStepOp(StepOp):
    """A step with `skip_if`, apart from the others so that they do not pay for it."""

    __slots__ = ("skip_if",)

    def __init__(self, step: Step, evaluate: Evaluate, skip_if: Evaluate) -> None:
        super().__init__(step, evaluate)
        self.skip_if = skip_if

    def enter(self, run: Run, lane: Lane, /) -> Op:
        return DONE if boolean(self.skip_if(lane.ctx), "step skip_if") else super().enter(run, lane)


class LetOp(Op):
    __slots__ = ("value", "write")

    def __init__(self, let: Let, evaluate: Evaluate) -> None:
        super().__init__()
        self.write = compile_write(let.at)
        self.value = evaluate

    def enter(self, run: Run, lane: Lane, /) -> Op:
        value = self.value(lane.ctx)
        check_growth(value, run.limits)
        lane.ctx = self.write(lane.ctx, value)
        return DONE


_SMALL_COUNT, _SMALL_TEXT = 64, 1_024
_FLAT = frozenset((int, float, bool, type(None)))


def check_size(value: Any, limits: Limits) -> None:
    """Refuse what is endless as JSON. A small flat object, the usual input, is let through at a glance."""
    kind = values.type_of(value)
    if kind is int or value is None:
        return
    if kind is dict and len(value) <= _SMALL_COUNT:
        for item in value.values():
            if type(item) not in _FLAT and (type(item) is not str or len(item) > _SMALL_TEXT):
                break
        else:
            return
    check_growth(value, limits)
