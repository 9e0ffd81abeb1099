"""Expressions as people write them: `$.verdict == 'pass' and $.round < 3`.

| text | expression |
|---|---|
| `$`, `$.a.b`, `$.xs[-1]`, `$["any key"]` | `path` |
| `1`, `2.5`, `'text'`, `true`, `false`, `null` (and Python's `True False None`) | `lit` |
| `[x, y]`, `{"k": x}` | `array`, `object` (`lit` when all of it is constant) |
| `x[y]` | `index` |
| `== != < <= > >=`, chained too | `eq ne lt lte gt gte` |
| `+ - * / %`, `-x` | `add sub mul div mod` |
| `and or not`, `in`, `not in` | `and or not in` |
| `len(x) keys(x) exists(x)`, `min(x, ...)`, `max(x, ...)`, `concat(x, ...)` | the op of that name |
| `format('{} of {}', x, y)` | `format` |

The grammar is Python's, read by its own parser from a text that holds nothing else (`expr_scan`).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, NoReturn

from skep.errors import BadSyntax
from skep.flow import expr as ops
from skep.flow.evaluate import split_template
from skep.flow.expr_scan import scan, too_deep
from skep.limits import DEFAULT_LIMITS, Limits
from skep.values import INT_MAX, INT_MIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COMPARE: dict[type[ast.cmpop], type[ops.Binary]] = {
    ast.Eq: ops.Eq,
    ast.NotEq: ops.Ne,
    ast.Lt: ops.Lt,
    ast.LtE: ops.Lte,
    ast.Gt: ops.Gt,
    ast.GtE: ops.Gte,
}
_ARITHMETIC: dict[type[ast.operator], type[ops.Binary]] = {
    ast.Add: ops.Add,
    ast.Sub: ops.Sub,
    ast.Mult: ops.Mul,
    ast.Div: ops.Div,
    ast.Mod: ops.Mod,
}
_ONE_ARG: dict[str, type[ops.Unary]] = {"len": ops.Len, "keys": ops.Keys, "exists": ops.Exists}
_MANY_ARGS: dict[str, type[ops.Variadic]] = {"min": ops.Min, "max": ops.Max, "concat": ops.Concat}
FUNCTIONS = frozenset({*_ONE_ARG, *_MANY_ARGS, "format"})
_CONSTANTS = {"true": True, "false": False, "null": None}


def parse_expression(text: str, limits: Limits = DEFAULT_LIMITS) -> ops.Expr:
    """Read an expression.

    >>> parse_expression("$.n + 1")
    Add(lhs=PathExpr(at=Path(segments=('n',))), rhs=Lit(value=1))

    Raises:
        BadSyntax: with the column (from 1) of what does not fit, and what to write instead; also for a text
            over `max_expression_chars` or nested deeper than `max_blueprint_depth`.
    """
    if len(text) > limits.max_expression_chars:
        message = f"expression is longer than {limits.max_expression_chars:,} characters"
        raise BadSyntax(message, fix="compute parts of it in let nodes")
    if not text.strip():
        raise BadSyntax("expression is empty", fix="write null, or \"''\" for empty text")
    scanned = scan(text, FUNCTIONS, limits)
    try:
        tree = _parse(scanned.source)
    except SyntaxError as error:
        column = min(max((error.offset or 1) - 1, 1), len(text))
        message = f"expression cannot be read at column {column}, near {text[column - 1 : column + 19]!r}"
        raise BadSyntax(message, fix=_SHAPE) from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise too_deep(limits.max_blueprint_depth, 1) from error
    return _Converter(text, scanned.atoms, limits).expr(tree.body, limits.max_blueprint_depth)


def _parse(source: str) -> ast.Expression:
    try:
        return ast.parse(source, mode="eval")
    except SystemError:
        # CPython 3.11 counts the depth of all its parsers together: another thread's made this one fail.
        return ast.parse(source, mode="eval")


_SHAPE = "write it like $.verdict == 'pass' and $.round < 3"


class _Converter:
    """Python's syntax tree to an `Expr`; only what `_HANDLERS` lists is accepted."""

    def __init__(self, text: str, atoms: dict[int, ops.Expr], limits: Limits) -> None:
        self._text = text
        self._atoms = atoms
        self._limit = limits.max_blueprint_depth
        self._budget = limits.max_expression_chars

    def expr(self, node: ast.expr, room: int) -> ops.Expr:
        self._budget -= 1
        if self._budget < 0:  # the middle of a chained comparison stands twice in what it becomes
            raise self._error(node, "comparisons are chained inside chains", "use and")
        if room == 0:
            raise too_deep(self._limit, node.col_offset)
        handler = _HANDLERS.get(type(node))
        if handler is None:
            self._refuse(node)
        return handler(self, node, room - 1)

    def _all(self, nodes: Sequence[ast.expr], room: int) -> tuple[ops.Expr, ...]:
        return tuple(self.expr(node, room) for node in nodes)

    def name(self, node: ast.Name, _: int) -> ops.Expr:
        atom = self._atoms.get(node.col_offset)
        if atom is not None:
            return atom
        if node.id in _CONSTANTS:
            return ops.Lit(_CONSTANTS[node.id])
        raise self._error(node, f"{node.id!r} is a function", f"write {node.id}(...)")

    def constant(self, node: ast.Constant, _: int) -> ops.Expr:
        return ops.Lit(self._number(node, node.value))

    def _number(self, node: ast.expr, value: Any) -> Any:
        if isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
            raise self._error(node, "integer is outside 64 bits")
        if value in (float("inf"), float("-inf")):
            raise self._error(node, "number is too large for JSON")
        return value

    def bool_op(self, node: ast.BoolOp, room: int) -> ops.Expr:
        args = self._all(node.values, room)
        return ops.And(args) if isinstance(node.op, ast.And) else ops.Or(args)

    def unary(self, node: ast.UnaryOp, room: int) -> ops.Expr:
        if isinstance(node.op, ast.Not):
            return ops.Not(self.expr(node.operand, room))
        if isinstance(node.op, ast.USub):
            operand = self.expr(node.operand, room)
            if isinstance(operand, ops.Lit) and type(operand.value) in (int, float):
                return ops.Lit(self._number(node, -operand.value))
            return ops.Sub(ops.Lit(0), operand)
        return self._refuse(node)

    def arithmetic(self, node: ast.BinOp, room: int) -> ops.Expr:
        kind = _ARITHMETIC.get(type(node.op))
        if kind is None:
            self._refuse(node)
        return kind(self.expr(node.left, room), self.expr(node.right, room))

    def compare(self, node: ast.Compare, room: int) -> ops.Expr:
        sides = [node.left, *node.comparators]
        if len(node.ops) == 1:
            return self._comparison(node, node.ops[0], sides[0], sides[1], room)
        links = zip(node.ops, sides[:-1], sides[1:], strict=True)
        return ops.And(tuple(self._comparison(node, op, lhs, rhs, room - 1) for op, lhs, rhs in links))

    def _comparison(
        self, node: ast.Compare, op: ast.cmpop, left: ast.expr, right: ast.expr, room: int
    ) -> ops.Expr:
        lhs, rhs = self.expr(left, max(room, 0)), self.expr(right, max(room, 0))
        if isinstance(op, ast.In):
            return ops.In(lhs, rhs)
        if isinstance(op, ast.NotIn):
            return ops.Not(ops.In(lhs, rhs))
        kind = _COMPARE.get(type(op))
        if kind is None:
            self._refuse(node)
        return kind(lhs, rhs)

    def array(self, node: ast.List, room: int) -> ops.Expr:
        args = self._all(node.elts, room)
        if all(isinstance(arg, ops.Lit) for arg in args):
            return ops.Lit([arg.value for arg in args if isinstance(arg, ops.Lit)])
        return ops.ArrayExpr(args)

    def object(self, node: ast.Dict, room: int) -> ops.Expr:
        fields: dict[str, ops.Expr] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            name = self.expr(key, room) if key is not None else None
            if not isinstance(name, ops.Lit) or not isinstance(name.value, str):
                raise self._error(key or node, "a key must be a string in quotes")
            if name.value in fields:
                raise self._error(key or node, f"key {name.value[:60]!r} stands twice")
            fields[name.value] = self.expr(value, room)
        if all(isinstance(field, ops.Lit) for field in fields.values()):
            return ops.Lit(
                {name: field.value for name, field in fields.items() if isinstance(field, ops.Lit)}
            )
        return ops.ObjectExpr(fields)

    def subscript(self, node: ast.Subscript, room: int) -> ops.Expr:
        return ops.Index(self.expr(node.value, room), self.expr(node.slice, room))

    def call(self, node: ast.Call, room: int) -> ops.Expr:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            raise self._error(node, "only functions can be called", f"known: {', '.join(sorted(FUNCTIONS))}")
        args = self._all(node.args, room)
        if name == "format":
            return self._format(node, args)
        if name in _MANY_ARGS:
            if not args:
                raise self._error(node, f"{name}() needs at least one value")
            return _MANY_ARGS[name](args)
        if len(args) != 1:
            raise self._error(node, f"{name}() takes one value, not {len(args)}")
        return _ONE_ARG[name](args[0])

    def _format(self, node: ast.Call, args: tuple[ops.Expr, ...]) -> ops.Expr:
        first = args[0] if args else None
        if not isinstance(first, ops.Lit) or not isinstance(first.value, str):
            raise self._error(
                node, "format() takes a template in quotes first", "write format('{} of {}', x, y)"
            )
        places = len(split_template(first.value)) - 1
        if places != len(args) - 1:
            message = f"format() has {places} places {{}} for {len(args) - 1} values"
            raise self._error(node, message, "write {{ and }} for braces that stay")
        return ops.Format(first.value, args[1:])

    def _refuse(self, node: ast.expr) -> NoReturn:
        raise self._error(node, "expressions have no such construct", _SHAPE)

    def _error(self, node: ast.expr, what: str, fix: str | None = None) -> BadSyntax:
        column = node.col_offset
        return BadSyntax(f"{what}, at column {column} near {self._text[column - 1 : column + 19]!r}", fix=fix)


_HANDLERS: dict[type[ast.expr], Callable[[_Converter, Any, int], ops.Expr]] = {
    ast.Name: _Converter.name,
    ast.Constant: _Converter.constant,
    ast.BoolOp: _Converter.bool_op,
    ast.UnaryOp: _Converter.unary,
    ast.BinOp: _Converter.arithmetic,
    ast.Compare: _Converter.compare,
    ast.List: _Converter.array,
    ast.Dict: _Converter.object,
    ast.Subscript: _Converter.subscript,
    ast.Call: _Converter.call,
}
