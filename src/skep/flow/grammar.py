"""The canonical form as a table: which fields each node and op has, and what stands in them.

Reading, writing and the JSON Schema are all driven by it, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

from skep.flow import expr as ops
from skep.flow import nodes
from skep.flow.expr import Expr
from skep.flow.nodes import Node

Form = Literal[
    "expr",
    "exprs",
    "some_exprs",
    "expr_map",
    "path",
    "path_text",
    "node",
    "nodes",
    "node_map",
    "cases",
    "value",
    "text",
    "template",
    "id",
    "join",
    "retry",
    "seconds",
    "turns",
    "lanes",
    "audience",
    "schema",
    "on_timeout",
    "flag",
    "signal",
]
"""What a field holds. `some_exprs`: at least one; `path_text`: the string inside a `path` op."""


class Field(Struct, frozen=True):
    """One field: its name in JSON, the attribute that holds it, what it holds.

    A field that is not required may be missing or null, which leaves the attribute at its default.
    """

    name: str
    form: Form
    attr: str = ""
    required: bool = True
    example: str = ""

    @property
    def attribute(self) -> str:
        return self.attr or self.name


class Shape(Struct, frozen=True):
    """A node or op. `primary` is the field that the node's word itself may hold in a YAML mapping."""

    word: str
    type: type[Any]
    fields: tuple[Field, ...]
    primary: str = ""

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields]


_ID = Field("id", "id", required=False)
_OUT = Field("out", "path", example="out: $.name")
_JOIN = Field("join", "join", required=False)
_SELECT = Field("select", "expr", required=False)

NODES: dict[str, Shape] = {
    shape.word: shape
    for shape in (
        Shape(
            "step",
            nodes.Step,
            (
                _ID,
                Field("ref", "text", "agent", example="step: AGENT"),
                Field("in", "expr", "input", example="in: $.name, or in: $ for the whole ctx"),
                _OUT,
                Field("retry", "retry", required=False),
                Field("timeout", "seconds", required=False),
                Field("skip_if", "expr", required=False),
            ),
            primary="ref",
        ),
        Shape("seq", nodes.Seq, (_ID, Field("children", "nodes", example="seq: [...]")), primary="children"),
        Shape(
            "branch",
            nodes.Branch,
            (
                _ID,
                Field("cond", "expr", example="cond: $.n > 3"),
                Field("then", "node", example="then: {step: ...}"),
                Field("else", "node", "otherwise", required=False),
            ),
            primary="cond",
        ),
        Shape(
            "switch",
            nodes.Switch,
            (
                _ID,
                Field("on", "expr", example="on: $.verdict"),
                Field("cases", "cases", example="cases: [{value: pass, body: ...}]"),
                Field("default", "node", required=False),
            ),
            primary="on",
        ),
        Shape(
            "loop",
            nodes.Loop,
            (
                _ID,
                Field("counter", "path", example="counter: $.round"),
                Field("cond", "expr", example="cond: $.verdict != 'pass'"),
                Field("body", "node", example="body: {step: ...}"),
                Field("max", "turns", example="max: 3"),
            ),
            primary="cond",
        ),
        Shape(
            "fanout",
            nodes.Fanout,
            (
                _ID,
                Field("items", "expr", example="items: $.files"),
                Field("bind", "path", example="bind: $.file"),
                Field("body", "node", example="body: {step: ...}"),
                _JOIN,
                _OUT,
                Field("max_concurrency", "lanes", required=False),
                _SELECT,
            ),
            primary="items",
        ),
        Shape(
            "parallel",
            nodes.Parallel,
            (
                _ID,
                Field("branches", "node_map", example="branches: {NAME: {step: ...}}"),
                _JOIN,
                _OUT,
                _SELECT,
            ),
            primary="branches",
        ),
        Shape(
            "try",
            nodes.Try,
            (
                _ID,
                Field("body", "node", example="body: {step: ...}"),
                Field("catch", "node", example="catch: {let: ...}"),
                Field("err_at", "path", required=False),
            ),
            primary="body",
        ),
        Shape(
            "let",
            nodes.Let,
            (
                _ID,
                Field("at", "path", example="at: $.name"),
                Field("value", "expr", example="value: $.n + 1"),
            ),
            primary="at",
        ),
        Shape(
            "ask",
            nodes.Ask,
            (
                _ID,
                Field("question", "expr", example="ask: \"'Publish it?'\""),
                Field("audience", "audience", example="audience: role:senior"),
                Field("schema", "schema", required=False),
                Field("deadline", "seconds", required=False),
                Field("on_timeout", "on_timeout", required=False),
                Field("approval", "flag", required=False),
                Field("allow_self", "flag", required=False),
                _OUT,
            ),
            primary="question",
        ),
        Shape(
            "wait",
            nodes.Wait,
            (
                _ID,
                Field("for", "expr", "for_", required=False),
                Field("until", "expr", required=False),
                Field("signal", "signal", required=False),
                Field("out", "path", required=False),
            ),
            primary="for",
        ),
    )
}


def _op(kind: type[Expr], *fields: Field) -> Shape:
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str)  # noqa: S101 - narrows the type
    return Shape(tag, kind, fields)


_BINARY = (Field("lhs", "expr"), Field("rhs", "expr"))
_UNARY = (Field("arg", "expr"),)
_ANY_NUMBER = (Field("args", "exprs"),)
_AT_LEAST_ONE = (Field("args", "some_exprs"),)

OPS: dict[str, Shape] = {
    shape.word: shape
    for shape in (
        _op(ops.PathExpr, Field("at", "path_text", example="at: $.name")),
        _op(ops.Lit, Field("value", "value")),
        *(_op(kind, *_BINARY) for kind in (ops.Eq, ops.Ne, ops.Lt, ops.Lte, ops.Gt, ops.Gte)),
        *(_op(kind, *_BINARY) for kind in (ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Mod)),
        *(_op(kind, *_UNARY) for kind in (ops.Not, ops.Exists, ops.Len, ops.Keys)),
        *(_op(kind, *_ANY_NUMBER) for kind in (ops.And, ops.Or, ops.ArrayExpr)),
        *(_op(kind, *_AT_LEAST_ONE) for kind in (ops.Concat, ops.Min, ops.Max)),
        _op(ops.In, Field("needle", "expr"), Field("haystack", "expr")),
        _op(ops.ObjectExpr, Field("fields", "expr_map")),
        _op(ops.Index, Field("of", "expr"), Field("at", "expr")),
        _op(ops.Format, Field("template", "template"), Field("args", "exprs", required=False)),
    )
}

_SHAPES: dict[type[Any], Shape] = {shape.type: shape for shape in (*NODES.values(), *OPS.values())}


def shape_of(item: Node | Expr) -> Shape:
    """The shape of a node or expression."""
    return _SHAPES[type(item)]


def parts_of(item: Node | Expr) -> Iterable[Node | Expr]:
    """The nodes and expressions directly inside, in document order."""
    for field in shape_of(item).fields:
        held: Any = getattr(item, field.attribute)
        if held is None:
            continue
        if field.form in ("expr", "node"):
            yield held
        elif field.form in ("exprs", "some_exprs", "nodes"):
            yield from held
        elif field.form in ("expr_map", "node_map"):
            yield from held.values()
        elif field.form == "cases":
            yield from (case.body for case in held)


def measure(item: Node | Expr) -> tuple[int, int]:
    """How many nodes and expressions there are, and how deep they nest."""
    count, height = 1, 0
    for part in parts_of(item):
        part_count, part_height = measure(part)
        count += part_count
        height = max(height, part_height)
    return count, height + 1
