"""Expressions as data: `op`-tagged structs in the newest published spelling (flow.ir 0.3 and ours).

Reading other spellings is `spellings.py`, text is `expr_text.py`, meaning is `evaluate.py`.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from skep.flow.path import Path


class Expr(Struct, frozen=True, tag_field="op"):
    """Base of all expressions."""


class PathExpr(Expr, frozen=True, tag="path"):
    """The value at a path; a missing one raises `PathNotFound`."""

    at: Path


class Lit(Expr, frozen=True, tag="lit"):
    """A JSON constant. Never mutate what evaluation returns."""

    value: Any


class Binary(Expr, frozen=True):
    lhs: Expr
    rhs: Expr


class Eq(Binary, frozen=True, tag="eq"): ...


class Ne(Binary, frozen=True, tag="ne"): ...


class Lt(Binary, frozen=True, tag="lt"): ...


class Lte(Binary, frozen=True, tag="lte"): ...


class Gt(Binary, frozen=True, tag="gt"): ...


class Gte(Binary, frozen=True, tag="gte"): ...


class Add(Binary, frozen=True, tag="add"): ...


class Sub(Binary, frozen=True, tag="sub"): ...


class Mul(Binary, frozen=True, tag="mul"): ...


class Div(Binary, frozen=True, tag="div"): ...


class Mod(Binary, frozen=True, tag="mod"): ...


class Unary(Expr, frozen=True):
    arg: Expr


class Not(Unary, frozen=True, tag="not"): ...


class Exists(Unary, frozen=True, tag="exists"):
    """False for a missing path or null."""


class Len(Unary, frozen=True, tag="len"): ...


class Keys(Unary, frozen=True, tag="keys"):
    """The keys of an object, sorted."""


class Variadic(Expr, frozen=True):
    args: tuple[Expr, ...]


class And(Variadic, frozen=True, tag="and"):
    """True without args; short-circuits on truthiness; a boolean."""


class Or(Variadic, frozen=True, tag="or"): ...


class Concat(Variadic, frozen=True, tag="concat"):
    """Strings to a string, or arrays to an array; mixing raises."""


class Min(Variadic, frozen=True, tag="min"):
    """Of its args, or of one array."""


class Max(Variadic, frozen=True, tag="max"): ...


class ArrayExpr(Variadic, frozen=True, tag="array"):
    """An array of the values of its args."""


class In(Expr, frozen=True, tag="in"):
    """Item in array, key in object, substring in string."""

    needle: Expr
    haystack: Expr


class ObjectExpr(Expr, frozen=True, tag="object"):
    """An object with these fields."""

    fields: dict[str, Expr]


class Index(Expr, frozen=True, tag="index"):
    """`of[at]`: an array by integer (negative from the end), an object by string."""

    of: Expr
    at: Expr


class Format(Expr, frozen=True, tag="format"):
    """`template` with each `{}` replaced by the next arg: strings verbatim, the rest as compact JSON.

    `{{` and `}}` stand for braces.
    """

    template: str
    args: tuple[Expr, ...] = ()
