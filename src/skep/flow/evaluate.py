"""Expressions compiled once to closures over the ctx; the meaning of each op stands in `operators.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from skep.errors import BadSyntax, InvalidPath, LimitExceeded, PathNotFound
from skep.flow import expr as ops
from skep.flow import operators
from skep.flow.equality import equal
from skep.flow.operators import truthy
from skep.flow.path import compile_find, compile_read
from skep.limits import DEFAULT_LIMITS

Evaluate = Callable[[Any], Any]
"""From a ctx to a JSON value that nobody may mutate: it may share structure with the ctx."""

__all__ = ["Evaluate", "compile_expr", "equal", "split_template", "truthy"]


def compile_expr(expr: ops.Expr) -> Evaluate:
    """A function from a ctx to the value of `expr`.

    It raises `EvalError` (`PathNotFound`, `InvalidPath`, `DivisionByZero`) for values that do not fit and
    `LimitExceeded` for results that would grow beyond the bounds of a value.

    >>> from skep.flow.path import Path
    >>> compile_expr(ops.Add(ops.PathExpr(Path(("n",))), ops.Lit(1)))({"n": 1})
    2

    Raises:
        LimitExceeded: `max_blueprint_depth`.
        BadSyntax: a `format` template that does not fit its args.
    """
    return _compile(expr, DEFAULT_LIMITS.max_blueprint_depth)


def _compile(expr: ops.Expr, room: int) -> Evaluate:
    if room == 0:
        raise LimitExceeded("max_blueprint_depth", DEFAULT_LIMITS.max_blueprint_depth, where="expression")
    return _COMPILERS[type(expr)](expr, room - 1)


def _compile_all(args: tuple[ops.Expr, ...], room: int) -> tuple[Evaluate, ...]:
    return tuple(_compile(arg, room) for arg in args)


# -- leaves ------------------------------------------------------------------------------------


def _path(expr: ops.PathExpr, _: int) -> Evaluate:
    return compile_read(expr.at)


def _lit(expr: ops.Lit, _: int) -> Evaluate:
    value = expr.value
    return lambda _ctx: value


# -- logic -------------------------------------------------------------------------------------


def _not(expr: ops.Not, room: int) -> Evaluate:
    arg = _compile(expr.arg, room)
    return lambda ctx: not truthy(arg(ctx))


def _and(expr: ops.And, room: int) -> Evaluate:
    args = _compile_all(expr.args, room)

    def evaluate(ctx: Any) -> bool:
        for arg in args:  # noqa: SIM110 - a loop costs half of what all() and a generator do
            if not truthy(arg(ctx)):
                return False
        return True

    return evaluate


def _or(expr: ops.Or, room: int) -> Evaluate:
    args = _compile_all(expr.args, room)

    def evaluate(ctx: Any) -> bool:
        for arg in args:  # noqa: SIM110 - as in _and
            if truthy(arg(ctx)):
                return True
        return False

    return evaluate


def _exists(expr: ops.Exists, room: int) -> Evaluate:
    if isinstance(expr.arg, ops.PathExpr):
        find = compile_find(expr.arg.at)
        return lambda ctx: find(ctx) is not None
    arg = _compile(expr.arg, room)

    def evaluate(ctx: Any) -> bool:
        try:
            return arg(ctx) is not None
        except (PathNotFound, InvalidPath):
            return False

    return evaluate


# -- operators ---------------------------------------------------------------------------------


def _binary(apply: Callable[[Any, Any], Any]) -> Callable[[ops.Binary, int], Evaluate]:
    def compile_(expr: ops.Binary, room: int) -> Evaluate:
        lhs, rhs = _compile(expr.lhs, room), _compile(expr.rhs, room)
        if isinstance(expr.rhs, ops.Lit):  # the usual condition: no call for the constant
            constant = expr.rhs.value
            return lambda ctx: apply(lhs(ctx), constant)
        return lambda ctx: apply(lhs(ctx), rhs(ctx))

    return compile_


def _unary(apply: Callable[[Any], Any]) -> Callable[[ops.Unary, int], Evaluate]:
    def compile_(expr: ops.Unary, room: int) -> Evaluate:
        arg = _compile(expr.arg, room)
        return lambda ctx: apply(arg(ctx))

    return compile_


def _variadic(apply: Callable[[list[Any]], Any]) -> Callable[[ops.Variadic, int], Evaluate]:
    def compile_(expr: ops.Variadic, room: int) -> Evaluate:
        args = _compile_all(expr.args, room)
        return lambda ctx: apply([arg(ctx) for arg in args])

    return compile_


def _in(expr: ops.In, room: int) -> Evaluate:
    needle, haystack = _compile(expr.needle, room), _compile(expr.haystack, room)
    return lambda ctx: operators.contains(needle(ctx), haystack(ctx))


def _index(expr: ops.Index, room: int) -> Evaluate:
    of, at = _compile(expr.of, room), _compile(expr.at, room)
    return lambda ctx: operators.item_at(of(ctx), at(ctx))


# -- construction ------------------------------------------------------------------------------


def _array(expr: ops.ArrayExpr, room: int) -> Evaluate:
    args = _compile_all(expr.args, room)
    return lambda ctx: [arg(ctx) for arg in args]


def _object(expr: ops.ObjectExpr, room: int) -> Evaluate:
    fields = tuple((name, _compile(field, room)) for name, field in expr.fields.items())
    return lambda ctx: {name: field(ctx) for name, field in fields}


def _format(expr: ops.Format, room: int) -> Evaluate:
    pieces, args = split_template(expr.template), _compile_all(expr.args, room)
    if len(pieces) != len(args) + 1:
        message = f"format has {len(pieces) - 1} places {{}} for {len(args)} values"
        raise BadSyntax(message, fix="write {{ and }} for braces that stay")
    return lambda ctx: operators.fill(pieces, [arg(ctx) for arg in args])


_TEMPLATE_PART = re.compile(r"\{\{|\}\}|\{\}|[{}]")


def split_template(template: str) -> tuple[str, ...]:
    """The texts around each `{}` of a `format` template, with `{{` and `}}` turned into braces.

    >>> split_template("{} of {{{}}}")
    ('', ' of {', '}')

    Raises:
        BadSyntax: a single brace.
    """
    pieces = [""]
    position = 0
    for match in _TEMPLATE_PART.finditer(template):
        pieces[-1] += template[position : match.start()]
        position = match.end()
        part = match[0]
        if part == "{}":
            pieces.append("")
        elif len(part) == 1:
            message = f"format template has a single {part!r} at column {match.start() + 1}"
            raise BadSyntax(message, fix="write {} for a value, {{ and }} for braces that stay")
        else:
            pieces[-1] += part[0]
    pieces[-1] += template[position:]
    return tuple(pieces)


_COMPILERS: dict[type[ops.Expr], Callable[[Any, int], Evaluate]] = {
    ops.PathExpr: _path,
    ops.Lit: _lit,
    ops.Eq: _binary(equal),
    ops.Ne: _binary(lambda a, b: not equal(a, b)),
    ops.Lt: _binary(operators.less),
    ops.Lte: _binary(operators.less_or_equal),
    ops.Gt: _binary(operators.greater),
    ops.Gte: _binary(operators.greater_or_equal),
    ops.Add: _binary(operators.add),
    ops.Sub: _binary(operators.sub),
    ops.Mul: _binary(operators.mul),
    ops.Div: _binary(operators.div),
    ops.Mod: _binary(operators.mod),
    ops.Not: _not,
    ops.Exists: _exists,
    ops.Len: _unary(operators.length),
    ops.Keys: _unary(operators.sorted_keys),
    ops.And: _and,
    ops.Or: _or,
    ops.Concat: _variadic(operators.concat),
    ops.Min: _variadic(operators.smallest),
    ops.Max: _variadic(operators.largest),
    ops.ArrayExpr: _array,
    ops.In: _in,
    ops.ObjectExpr: _object,
    ops.Index: _index,
    ops.Format: _format,
}
