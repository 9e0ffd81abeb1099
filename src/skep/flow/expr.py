"""Expressions as data: `op`-tagged structs in the newest published spelling (flow.ir 0.3 and ours).

Reading other spellings is `spellings.py`, text is `expr_text.py`, meaning is `evaluate.py`.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from skep.flow.path import Path


class Expr(Struct, frozen=True, tag_field="op"):
    """Base of all expressions."""


class PathExpr(Expr, tag="path"):
    """The value at a path; a missing one raises `PathNotFound`."""

    at: Path


class Lit(Expr, tag="lit"):
    """A JSON constant. Never mutate what evaluation returns."""

    value: Any


class Binary(Expr):
    lhs: Expr
    rhs: Expr


class Eq(Binary, tag="eq"): ...


class Ne(Binary, tag="ne"): ...


class Lt(Binary, tag="lt"): ...


class Lte(Binary, tag="lte"): ...


class Gt(Binary, tag="gt"): ...


class Gte(Binary, tag="gte"): ...


class Add(Binary, tag="add"): ...


class Sub(Binary, tag="sub"): ...


class Mul(Binary, tag="mul"): ...


class Div(Binary, tag="div"): ...


class Mod(Binary, tag="mod"): ...


class Unary(Expr):
    arg: Expr


class Not(Unary, tag="not"): ...


class Exists(Unary, tag="exists"):
    """False for a missing path or null."""


class Len(Unary, tag="len"): ...


class Keys(Unary, tag="keys"):
    """The keys of an object, sorted."""


class Variadic(Expr):
    args: tuple[Expr, ...]


class And(Variadic, tag="and"):
    """True without args; short-circuits on truthiness; a boolean."""


class Or(Variadic, tag="or"): ...


class Concat(Variadic, tag="concat"):
    """Strings to a string, or arrays to an array; mixing raises."""


class Min(Variadic, tag="min"):
    """Of its args, or of one array."""


class Max(Variadic, tag="max"): ...


class ArrayExpr(Variadic, tag="array"):
    """An array of the values of its args."""


class In(Expr, tag="in"):
    """Item in array, key in object, substring in string."""

    needle: Expr
    haystack: Expr


class ObjectExpr(Expr, tag="object"):
    """An object with these fields."""

    fields: dict[str, Expr]


class Index(Expr, tag="index"):
    """`of[at]`: an array by integer (negative from the end), an object by string."""

    of: Expr
    at: Expr


class Format(Expr, tag="format"):
    """`template` with `{}` replaced in turn by args: strings verbatim, the rest as compact JSON; `{{` and `}}` escape."""

    template: str
    args: tuple[Expr, ...] = ()
