"""The nodes that start lanes: `fanout` and `parallel`."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from skep.errors import EvalError
from skep.flow import keys
from skep.flow.growth import check_growth
from skep.flow.path import compile_write
from skep.flow.runtime.faults import Raised, shown
from skep.flow.runtime.frames import Fault, JoinFrame, Outcome, Value
from skep.flow.runtime.joins import DECIDE, GATHERS, check_lanes
from skep.flow.runtime.ops import DONE, WAIT, Op, Run
from skep.values import type_of

if TYPE_CHECKING:
    from skep.flow.evaluate import Evaluate
    from skep.flow.nodes import Fanout, Join, Parallel
    from skep.flow.runtime.frames import Lane


class ForkOp(Op):
    """Starts lanes, each on a ctx of its own, and writes what the join makes of them to `out`."""

    __slots__ = ("gathers", "join", "select", "write")

    def __init__(self, node: Fanout | Parallel, select: Evaluate | None) -> None:
        super().__init__()
        self.join: Join = node.join
        self.gathers = node.join in GATHERS
        self.write = compile_write(node.out)
        self.select = select

    def resume(self, run: Run, lane: Lane, frame: JoinFrame, /) -> Op:
        """The join is decided and its losers have ended."""
        lane.stack.pop()
        lane.key = frame.key
        outcome = frame.outcome
        if isinstance(outcome, Fault):
            raise Raised(outcome)
        assert outcome is not None  # noqa: S101 - the scheduler resumes decided joins only
        self._write(run, lane, self.shape(outcome.value, frame.winner))
        return DONE

    def settle(self, frame: JoinFrame, number: int, outcome: Outcome) -> Outcome | None:
        """Count a lane that has ended; the outcome of the join, if that decides it."""
        frame.settled += 1
        return DECIDE[self.join](frame, number, outcome)

    def result(self, lane: Lane) -> Value:
        """What a lane that has come to its end is worth.

        Raises:
            EvalError: `select` does not fit it.
        """
        return Value(lane.ctx if self.select is None else self.select(lane.ctx))

    @abstractmethod
    def begin(self, lane: Lane, frame: JoinFrame, /) -> Op:
        """Give lane `lane.number`, whose ctx is still that of its parent, its own; the node to enter.

        Raises:
            EvalError: `bind` does not fit the ctx.
        """

    @abstractmethod
    def lane_key(self, key: str, number: int) -> str:
        """The key of what lane `number` holds."""

    @abstractmethod
    def shape(self, value: Any, winner: int, /) -> Any:
        """The value of the join as it is written to `out`."""

    def _open(self, run: Run, lane: Lane, size: int, room: int, items: list[Any]) -> Op:
        if size == 0:
            self._write(run, lane, self.shape([], -1))
            return DONE
        results = [None] * size if self.gathers else []
        frame = JoinFrame(self.node, lane.key, size, room, items, results)
        lane.stack.append(frame)
        run.start_lanes(lane, frame)
        return WAIT

    def _write(self, run: Run, lane: Lane, value: Any) -> None:
        check_growth(value, run.limits)
        lane.ctx = self.write(lane.ctx, value)


class FanoutOp(ForkOp):
    __slots__ = ("bind", "body", "items", "max_concurrency")

    def __init__(self, node: Fanout, items: Evaluate, select: Evaluate | None, body: Op) -> None:
        super().__init__(node, select)
        self.items = items
        self.bind = compile_write(node.bind)
        self.max_concurrency = node.max_concurrency
        self.body = body

    def enter(self, run: Run, lane: Lane, /) -> Op:
        items = self.items(lane.ctx)
        if type_of(items) is not list:
            raise EvalError(
                f"fanout.items must be an array, got: {shown(items)}", fix="name an array, as in $.files"
            )
        size = len(items)
        check_lanes(self.join, size, "fanout.items")
        return self._open(run, lane, size, self.max_concurrency or size, items)

    def begin(self, lane: Lane, frame: JoinFrame, /) -> Op:
        lane.ctx = self.bind(lane.ctx, frame.items[lane.number])
        return self.body

    def lane_key(self, key: str, number: int) -> str:
        return keys.item(key, number)

    def shape(self, value: Any, _winner: int, /) -> Any:
        return value


class ParallelOp(ForkOp):
    __slots__ = ("bodies", "names")

    def __init__(self, node: Parallel, select: Evaluate | None, bodies: tuple[Op, ...]) -> None:
        super().__init__(node, select)
        self.names = tuple(node.branches)
        self.bodies = bodies

    def enter(self, run: Run, lane: Lane, /) -> Op:
        size = len(self.names)
        check_lanes(self.join, size, "parallel.branches")
        return self._open(run, lane, size, size, [])

    def begin(self, lane: Lane, _frame: JoinFrame, /) -> Op:
        return self.bodies[lane.number]

    def lane_key(self, key: str, number: int) -> str:
        return keys.child(key, self.names[number])

    def shape(self, value: Any, winner: int, /) -> Any:
        return dict(zip(self.names, value, strict=True)) if self.gathers else {self.names[winner]: value}
