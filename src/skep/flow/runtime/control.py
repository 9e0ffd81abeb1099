"""The nodes that hold others on one ctx: `seq`, `branch`, `switch`, `loop` and `try`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skep.errors import NoCase
from skep.flow import keys
from skep.flow.equality import equal
from skep.flow.operators import truthy
from skep.flow.path import compile_write
from skep.flow.runtime.faults import boolean, shown
from skep.flow.runtime.frames import LoopFrame, SeqFrame, TryFrame
from skep.flow.runtime.ops import DONE, Op, Run

if TYPE_CHECKING:
    from skep.flow.evaluate import Evaluate
    from skep.flow.nodes import Loop, Try
    from skep.flow.runtime.frames import Fault, Lane


class SeqOp(Op):
    """`children` are pairs of key segment and node."""

    __slots__ = ("children",)

    def __init__(self, children: tuple[tuple[str, Op], ...]) -> None:
        super().__init__()
        self.children = children

    def enter(self, run: Run, lane: Lane, /) -> Op:
        frame = SeqFrame(self.node, lane.key)
        lane.stack.append(frame)
        return self.resume(run, lane, frame)

    def resume(self, _run: Run, lane: Lane, frame: SeqFrame, /) -> Op:
        at = frame.at
        if at == len(self.children):
            lane.stack.pop()
            return DONE
        frame.at = at + 1
        segment, op = self.children[at]
        lane.key = keys.child(frame.key, segment)
        return op


class BranchOp(Op):
    __slots__ = ("cond", "otherwise", "then")

    def __init__(self, cond: Evaluate, then: Op, otherwise: Op) -> None:
        super().__init__()
        self.cond = cond
        self.then = then
        self.otherwise = otherwise

    def enter(self, _run: Run, lane: Lane, /) -> Op:
        if boolean(self.cond(lane.ctx), "branch cond"):
            lane.key = keys.child(lane.key, "then")
            return self.then
        lane.key = keys.child(lane.key, "else")
        return self.otherwise


class SwitchOp(Op):
    """`cases` are pairs of value and body."""

    __slots__ = ("cases", "default", "on")

    def __init__(self, on: Evaluate, cases: tuple[tuple[Any, Op], ...], default: Op | None) -> None:
        super().__init__()
        self.on = on
        self.cases = cases
        self.default = default

    def enter(self, _run: Run, lane: Lane, /) -> Op:
        value = self.on(lane.ctx)
        for number, (case, body) in enumerate(self.cases):
            if equal(value, case):
                lane.key = keys.child(lane.key, f"case{number}")
                return body
        if self.default is None:
            raise NoCase(f"switch has no case for {shown(value)}", fix="add that case, or a default")
        lane.key = keys.child(lane.key, "default")
        return self.default


class LoopOp(Op):
    __slots__ = ("body", "cond", "count", "turns")

    def __init__(self, loop: Loop, cond: Evaluate, body: Op) -> None:
        super().__init__()
        self.count = compile_write(loop.counter)
        self.turns = loop.max
        self.cond = cond
        self.body = body

    def enter(self, _run: Run, lane: Lane, /) -> Op:
        frame = LoopFrame(self.node, lane.key)
        lane.stack.append(frame)
        return self._turn(lane, frame)

    def resume(self, _run: Run, lane: Lane, frame: LoopFrame, /) -> Op:
        lane.key = frame.key
        frame.turn += 1
        return self._turn(lane, frame)

    def _turn(self, lane: Lane, frame: LoopFrame) -> Op:
        turn = frame.turn
        lane.ctx = self.count(lane.ctx, turn)
        if turn < self.turns and truthy(self.cond(lane.ctx)):
            lane.key = keys.item(frame.key, turn)
            return self.body
        lane.stack.pop()
        return DONE


class TryOp(Op):
    __slots__ = ("body", "catch", "write")

    def __init__(self, node: Try, body: Op, catch: Op) -> None:
        super().__init__()
        self.write = None if node.err_at is None else compile_write(node.err_at)
        self.body = body
        self.catch = catch

    def enter(self, _run: Run, lane: Lane, /) -> Op:
        lane.stack.append(TryFrame(self.node, lane.key, lane.ctx))
        lane.key = keys.child(lane.key, "body")
        return self.body

    def caught(self, lane: Lane, frame: TryFrame, fault: Fault) -> Op:
        """Undo the body and go on with `catch`, which the frame, already off the stack, does not cover."""
        lane.key = frame.key
        lane.ctx = frame.ctx if self.write is None else self.write(frame.ctx, fault.message)
        lane.key = keys.child(frame.key, "catch")
        return self.catch
