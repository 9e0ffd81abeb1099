"""Expressions in Python: `p.verdict == "pass"`, `p.n + 1`, `p.items[0]`, `~exists(p.x) & (len_(p.y) > 2)`.

A term stands for a value that exists only when the flow runs. Operators make larger terms; whatever would
need the value now (`if`, `and`, `in`, `len`, an f-string) is an error that says what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from skep.errors import BuildError
from skep.flow import expr as ops
from skep.flow.path import Path, format_path, parse_path
from skep.flow.write import expr_to_canonical
from skep.values import canonical, type_of


class Term:
    """An expression that is being written. `t.name` and `t["any key"]` are fields, `t[0]` is an item."""

    __slots__ = ("_expr",)

    def __init__(self, expr: ops.Expr) -> None:
        self._expr = expr

    # -- members -------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Term:
        if name.startswith("_"):  # what Python and its tools probe for
            raise AttributeError(f"write [{name!r}] for a field that starts with an underscore")
        return self[name]

    def __getitem__(self, key: Any) -> Term:
        if type(key) is bool or not isinstance(key, (str, int, Term)):
            fix = "use a name, an integer or an expression"
            raise BuildError(f"{type(key).__name__} is no field or index", fix=fix)
        if isinstance(self._expr, ops.PathExpr) and not isinstance(key, Term):
            return Term(ops.PathExpr(Path((*self._expr.at.segments, key))))
        return Term(ops.Index(self._expr, to_expr(key)))

    # -- comparison ----------------------------------------------------------------------------

    def __eq__(self, other: object) -> Term:  # pyright: ignore[reportIncompatibleMethodOverride] - it builds
        return Term(ops.Eq(self._expr, to_expr(other)))

    def __ne__(self, other: object) -> Term:  # pyright: ignore[reportIncompatibleMethodOverride] - it builds
        return Term(ops.Ne(self._expr, to_expr(other)))

    __hash__ = None  # pyright: ignore[reportAssignmentType] - equality builds, so a term is no key

    def __lt__(self, other: Any) -> Term:
        return Term(ops.Lt(self._expr, to_expr(other)))

    def __le__(self, other: Any) -> Term:
        return Term(ops.Lte(self._expr, to_expr(other)))

    def __gt__(self, other: Any) -> Term:
        return Term(ops.Gt(self._expr, to_expr(other)))

    def __ge__(self, other: Any) -> Term:
        return Term(ops.Gte(self._expr, to_expr(other)))

    # -- arithmetic ----------------------------------------------------------------------------

    def __add__(self, other: Any) -> Term:
        return _arithmetic(ops.Add, self, other)

    def __radd__(self, other: Any) -> Term:
        return _arithmetic(ops.Add, other, self)

    def __sub__(self, other: Any) -> Term:
        return _arithmetic(ops.Sub, self, other)

    def __rsub__(self, other: Any) -> Term:
        return _arithmetic(ops.Sub, other, self)

    def __mul__(self, other: Any) -> Term:
        return _arithmetic(ops.Mul, self, other)

    def __rmul__(self, other: Any) -> Term:
        return _arithmetic(ops.Mul, other, self)

    def __truediv__(self, other: Any) -> Term:
        return _arithmetic(ops.Div, self, other)

    def __rtruediv__(self, other: Any) -> Term:
        return _arithmetic(ops.Div, other, self)

    def __mod__(self, other: Any) -> Term:
        return _arithmetic(ops.Mod, self, other)

    def __rmod__(self, other: Any) -> Term:
        return _arithmetic(ops.Mod, other, self)

    def __neg__(self) -> Term:
        return _arithmetic(ops.Sub, 0, self)

    # -- logic ---------------------------------------------------------------------------------

    def __and__(self, other: Any) -> Term:
        return Term(ops.And((*_operands(ops.And, self._expr), to_expr(other))))

    def __rand__(self, other: Any) -> Term:
        return Term(ops.And((to_expr(other), self._expr)))

    def __or__(self, other: Any) -> Term:
        return Term(ops.Or((*_operands(ops.Or, self._expr), to_expr(other))))

    def __ror__(self, other: Any) -> Term:
        return Term(ops.Or((to_expr(other), self._expr)))

    def __invert__(self) -> Term:
        return Term(ops.Not(self._expr))

    # -- what would need the value now ---------------------------------------------------------

    def __bool__(self) -> bool:
        raise _not_now(
            "truth value",
            "write & | ~ for and, or, not; branch() for if; (0 < x) & (x < 3) for 0 < x < 3; put parentheses"
            " round comparisons",
        )

    def __contains__(self, item: object) -> bool:
        raise _not_now("membership", "write in_(item, container)")

    def __iter__(self) -> Iterator[Term]:
        raise _not_now("items", "write fanout() or loop()")

    def __len__(self) -> int:
        raise _not_now("length", "write len_(x)")

    def __format__(self, spec: str) -> str:
        raise _not_now("text", "write format_('{}', x) for an f-string")

    def __repr__(self) -> str:
        if isinstance(self._expr, ops.PathExpr):
            return f"<{format_path(self._expr.at)}>"
        return f"<{canonical(expr_to_canonical(self._expr)).decode()}>"


def _not_now(what: str, fix: str) -> BuildError:
    return BuildError(f"an expression has no {what} before the flow runs", fix=fix)


def _arithmetic(kind: type[ops.Binary], lhs: Any, rhs: Any) -> Term:
    if isinstance(lhs, str) or isinstance(rhs, str):
        raise BuildError("text cannot be calculated with", fix="write concat(a, b), or format_('{}', a)")
    return Term(kind(to_expr(lhs), to_expr(rhs)))


def _operands(kind: type[ops.Variadic], expr: ops.Expr) -> tuple[ops.Expr, ...]:
    """So that `a & b & c` is one `and`."""
    return expr.args if isinstance(expr, kind) else (expr,)


p = Term(ops.PathExpr(Path(())))
"""The flow's ctx: `p.a.b`, `p["any key"]`, `p.items[0]`; `p` itself is the whole of it."""


# -- from Python values ------------------------------------------------------------------------


def to_expr(value: Any) -> ops.Expr:
    """A term's expression; an `object` or `array` for dicts and lists with terms in them; else a constant.

    Raises:
        BuildError: a value that JSON does not have.
    """
    if isinstance(value, Term):
        return value._expr  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - any other name would be a field
    if isinstance(value, ops.Expr):
        return value
    kind = type_of(value)
    if kind is dict and _holds_term(value):
        return ops.ObjectExpr({key: to_expr(item) for key, item in value.items()})
    if kind in (list, tuple) and _holds_term(value):
        return ops.ArrayExpr(tuple(to_expr(item) for item in value))
    return ops.Lit(_constant(value))


def to_path(value: Any, what: str) -> Path:
    """The path that a term or a text such as `$.a.b` names; `what` says what it is for.

    Raises:
        BuildError: not a path.
        BadSyntax: a text that does not parse as one.
    """
    if isinstance(value, str):
        return parse_path(value)
    expr = to_expr(value) if isinstance(value, Term) else value
    if not isinstance(expr, ops.PathExpr):
        raise BuildError(f"{what} is no path", fix=f"write {what}=p.name, or {what}='$.name'")
    return expr.at


def _holds_term(value: Any) -> bool:
    if isinstance(value, (Term, ops.Expr)):
        return True
    members = cast("Any", value.values() if isinstance(value, dict) else value)
    return isinstance(value, (dict, list, tuple)) and any(_holds_term(member) for member in members)


def _constant(value: Any) -> Any:
    kind = type_of(value)
    if kind is dict:
        return {key: _constant(item) for key, item in value.items()}
    if kind in (list, tuple):
        return [_constant(item) for item in value]
    if value is None or kind in (str, bool, int, float):
        return value
    fix = "use None, booleans, numbers, text, lists, dicts or expressions of p"
    raise BuildError(f"{kind.__name__} has no JSON form", fix=fix)


# -- functions ---------------------------------------------------------------------------------


def exists(value: Any) -> Term:
    """False where `value` is missing or null."""
    return Term(ops.Exists(to_expr(value)))


def len_(value: Any) -> Term:
    """The number of items, members or characters."""
    return Term(ops.Len(to_expr(value)))


def keys_(value: Any) -> Term:
    """The keys of an object, sorted."""
    return Term(ops.Keys(to_expr(value)))


def in_(item: Any, container: Any) -> Term:
    """Whether an array has the item, an object the key, a text the part."""
    return Term(ops.In(to_expr(item), to_expr(container)))


def min_(*values: Any) -> Term:
    """The least of several values, or of one array."""
    return Term(ops.Min(_exprs(values)))


def max_(*values: Any) -> Term:
    """The greatest of several values, or of one array."""
    return Term(ops.Max(_exprs(values)))


def concat(*values: Any) -> Term:
    """Texts to a text, or arrays to an array."""
    return Term(ops.Concat(_exprs(values)))


def format_(template: str, *values: Any) -> Term:
    """`template` with each `{}` replaced in turn; `{{` and `}}` stay braces."""
    return Term(ops.Format(template, _exprs(values)))


def obj(**fields: Any) -> Term:
    """An object; the same as a dict with terms in it."""
    return Term(ops.ObjectExpr({name: to_expr(value) for name, value in fields.items()}))


def arr(*items: Any) -> Term:
    """An array; the same as a list with terms in it."""
    return Term(ops.ArrayExpr(_exprs(items)))


def _exprs(values: tuple[Any, ...]) -> tuple[ops.Expr, ...]:
    return tuple(to_expr(value) for value in values)
