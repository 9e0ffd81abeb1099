"""Compiles a flow once; every run of one Blueprint version shares the Program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skep.errors import BlueprintError, LimitExceeded
from skep.flow import keys, nodes
from skep.flow.evaluate import Evaluate, compile_expr
from skep.flow.expr import Expr
from skep.flow.runtime.control import BranchOp, LoopOp, SeqOp, SwitchOp, TryOp
from skep.flow.runtime.forks import FanoutOp, ParallelOp
from skep.flow.runtime.leaves import LetOp, SkippableStepOp, StepOp
from skep.flow.runtime.ops import Op
from skep.flow.runtime.waits import AskOp, DurationOp, MomentOp, SignalOp
from skep.flow.waiting import wait_mistake
from skep.limits import DEFAULT_LIMITS, Limits


class Program:
    """A compiled flow. `ops` are its nodes, in the order in which their ends stand in the document."""

    __slots__ = ("limits", "ops", "root", "root_key")

    def __init__(self, ops: tuple[Op, ...], root_key: str, limits: Limits) -> None:
        self.ops = ops
        self.root = ops[-1]
        self.root_key = root_key
        self.limits = limits


def compile_flow(node: nodes.Node, limits: Limits = DEFAULT_LIMITS) -> Program:
    """Compile a flow.

    `limits` belong to the Program: a run is recovered with those that it was started with, or it may stop
    somewhere else.

    Raises:
        BlueprintError: an `id` or branch name that cannot stand in a step key, or that stands twice.
        BadSyntax: a `format` template that does not fit its args.
        LimitExceeded: `max_blueprint_depth`.
    """
    compiler = _Compiler(limits)
    compiler.compile(node, limits.max_blueprint_depth)
    return Program(tuple(compiler.ops), keys.root(node.id, is_seq=isinstance(node, nodes.Seq)), limits)


class _Compiler:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ops: list[Op] = []

    def compile(self, node: nodes.Node, room: int) -> Op:
        if room == 0:
            raise LimitExceeded("max_blueprint_depth", self.limits.max_blueprint_depth, where="flow")
        if node.id is not None:
            _check_name(node.id, "node id")
        op = _COMPILERS[type(node)](self, node, room - 1)
        op.node = len(self.ops)
        self.ops.append(op)
        return op


def _step(_: _Compiler, node: nodes.Step, _room: int) -> Op:
    if node.skip_if is not None:
        return SkippableStepOp(node, compile_expr(node.input), compile_expr(node.skip_if))
    return StepOp(node, compile_expr(node.input))


def _ask(_: _Compiler, node: nodes.Ask, _room: int) -> Op:
    return AskOp(node, compile_expr(node.question))


def _wait(_: _Compiler, node: nodes.Wait, _room: int) -> Op:
    wrong = wait_mistake(node)
    if wrong is not None:
        raise BlueprintError(wrong.message, where=node.id, fix=wrong.fix)
    if node.signal is not None:
        return SignalOp(node.signal, node.out)
    if node.for_ is not None:
        return DurationOp(compile_expr(node.for_))
    assert node.until is not None  # noqa: S101 - the one that is left
    return MomentOp(compile_expr(node.until))


def _let(_: _Compiler, node: nodes.Let, _room: int) -> Op:
    return LetOp(node, compile_expr(node.value))


def _seq(compiler: _Compiler, node: nodes.Seq, room: int) -> Op:
    segments = [child.id or str(index) for index, child in enumerate(node.children)]
    if len(set(segments)) < len(segments):
        twice = next(segment for segment in segments if segments.count(segment) > 1)
        raise BlueprintError(
            f"two children of one seq have the id {twice!r}", fix="give each its own, or none"
        )
    bodies = [compiler.compile(child, room) for child in node.children]
    return SeqOp(tuple(zip(segments, bodies, strict=True)))


def _branch(compiler: _Compiler, node: nodes.Branch, room: int) -> Op:
    then = compiler.compile(node.then, room)
    return BranchOp(compile_expr(node.cond), then, compiler.compile(node.otherwise, room))


def _switch(compiler: _Compiler, node: nodes.Switch, room: int) -> Op:
    cases = tuple((case.value, compiler.compile(case.body, room)) for case in node.cases)
    default = None if node.default is None else compiler.compile(node.default, room)
    return SwitchOp(compile_expr(node.on), cases, default)


def _loop(compiler: _Compiler, node: nodes.Loop, room: int) -> Op:
    return LoopOp(node, compile_expr(node.cond), compiler.compile(node.body, room))


def _try(compiler: _Compiler, node: nodes.Try, room: int) -> Op:
    body = compiler.compile(node.body, room)
    return TryOp(node, body, compiler.compile(node.catch, room))


def _fanout(compiler: _Compiler, node: nodes.Fanout, room: int) -> Op:
    body = compiler.compile(node.body, room)
    return FanoutOp(node, compile_expr(node.items), _optional(node.select), body)


def _parallel(compiler: _Compiler, node: nodes.Parallel, room: int) -> Op:
    for name in node.branches:
        _check_name(name, "branch name")
    bodies = tuple(compiler.compile(body, room) for body in node.branches.values())
    return ParallelOp(node, _optional(node.select), bodies)


def _optional(expr: Expr | None) -> Evaluate | None:
    return None if expr is None else compile_expr(expr)


def _check_name(name: str, what: str) -> None:
    if not keys.is_name(name):
        raise BlueprintError(f"{what} {name[:80]!r} cannot stand in a step key", fix=f"use {keys.NAME_RULE}")


_COMPILERS: dict[type[nodes.Node], Callable[[_Compiler, Any, int], Op]] = {
    nodes.Step: _step,
    nodes.Let: _let,
    nodes.Seq: _seq,
    nodes.Branch: _branch,
    nodes.Switch: _switch,
    nodes.Loop: _loop,
    nodes.Try: _try,
    nodes.Fanout: _fanout,
    nodes.Parallel: _parallel,
    nodes.Ask: _ask,
    nodes.Wait: _wait,
}
