"""Reading expressions and paths: canonical objects, texts, constants and objects of expressions.

| in a document | is read as |
|---|---|
| a mapping with `op` | that op |
| a mapping without `op` | an `object`; each member is an expression |
| a string | an expression text (`expr_text`); plain text needs quotes of its own: `"'hello'"` |
| a number, `true`, `false`, `null` | that constant |
| a list | a constant, all of it; a list of expressions is a text: `"[$.a, $.b]"` |
"""

from __future__ import annotations

from typing import Any

from skep.errors import BadSyntax, BadValue, LimitExceeded
from skep.flow.evaluate import split_template
from skep.flow.expr import Expr, Lit, ObjectExpr
from skep.flow.expr_text import parse_expression
from skep.flow.grammar import OPS, Shape
from skep.flow.path import Path, parse_path
from skep.flow.problems import did_you_mean, inside
from skep.flow.reader import INVALID, Given, Invalid, Reader
from skep.flow.spellings import OPS_NOT_YET, newest
from skep.values import encode, type_name, type_of


def read_expression(reader: Reader, document: Any, place: str, room: int) -> Expr | Invalid:
    if not reader.enter(place, room):
        return INVALID
    kind = type_of(document)
    if kind is str:
        return _text(reader, document, place, room)
    if kind is dict:
        return (
            _canonical(reader, document, place, room)
            if "op" in document
            else _object(reader, document, place, room)
        )
    if kind is list and not _is_constant(reader, document, place):
        return INVALID
    value = read_value(reader, document, place, room)
    return value if isinstance(value, Invalid) else Lit(value)


def _text(reader: Reader, text: str, place: str, room: int) -> Expr | Invalid:
    try:
        expr = parse_expression(text, reader.limits)
    except BadSyntax as error:
        return reader.report(place, "E-SYNTAX", error.what, error.fix)
    return expr if reader.enter_parsed(expr, place, room) else INVALID


def _object(reader: Reader, document: dict[Any, Any], place: str, room: int) -> Expr | Invalid:
    fields = read_expr_map(reader, document, place, room - 1)
    return fields if isinstance(fields, Invalid) else ObjectExpr(fields)


def _canonical(reader: Reader, document: dict[Any, Any], place: str, room: int) -> Expr | Invalid:
    shape = _op_shape(reader, document["op"], inside(place, "op"))
    if shape is None:
        return INVALID
    fields: dict[str, Given] = {}
    complete = reader.gather(shape, fields, document, place, skip="op")
    arg = fields.get("arg")
    if shape.word == "exists" and arg is not None and arg.spelled == "at" and type_of(arg.value) is str:
        fields["arg"] = Given({"op": "path", "at": arg.value}, arg.place, "arg")
    expr = reader.build(shape, fields, place, room - 1, complete=complete)
    return _fitting(reader, expr, place)


def _op_shape(reader: Reader, op: Any, place: str) -> Shape | None:
    word = newest("op", op) if type_of(op) is str else ""
    if word in OPS_NOT_YET:
        reader.report(place, "E-OP-NOT-YET", f"op {word!r} is planned, not built yet")
    elif word not in OPS:
        fix = (
            did_you_mean(word[:60], sorted(OPS))
            or "an object with a field 'op' is {op: object, fields: {...}}"
        )
        reader.report(place, "E-OP-UNKNOWN", f"unknown op {str(op)[:60]!r}", fix)
    return OPS.get(word)


def _fitting(reader: Reader, expr: Any, place: str) -> Expr | Invalid:
    if not isinstance(expr, OPS["format"].type):
        return expr
    places, values = len(split_template(expr.template)) - 1, len(expr.args)
    if places == values:
        return expr
    message = f"format has {places} places {{}} for {values} values"
    return reader.report(place, "E-SYNTAX", message, "write {{ and }} for braces that stay")


# -- forms -------------------------------------------------------------------------------------


def read_expressions(reader: Reader, document: Any, place: str, room: int) -> tuple[Expr, ...] | Invalid:
    if type_of(document) is not list:
        return reader.report(
            place, "E-FIELD-TYPE", f"expected a list of expressions, got {type_name(document)}"
        )
    args: list[Expr] = []
    for index, item in enumerate(document):
        arg = read_expression(reader, item, inside(place, index), room)
        if not isinstance(arg, Invalid):
            args.append(arg)
    return tuple(args) if len(args) == len(document) else INVALID


def read_some_expressions(reader: Reader, document: Any, place: str, room: int) -> tuple[Expr, ...] | Invalid:
    args = read_expressions(reader, document, place, room)
    return args or reader.report(place, "E-FIELD-RANGE", "at least one expression is needed")


def read_expr_map(reader: Reader, document: Any, place: str, room: int) -> dict[str, Expr] | Invalid:
    if type_of(document) is not dict:
        return reader.report(
            place, "E-FIELD-TYPE", f"expected an object of expressions, got {type_name(document)}"
        )
    fields: dict[str, Expr] = {}
    for key, value in document.items():
        if type_of(key) is not str:
            reader.report(
                place, "E-FIELD-TYPE", f"object key {str(key)[:60]} is not text", "put it in quotes"
            )
            continue
        field = read_expression(reader, value, inside(place, key), room)
        if not isinstance(field, Invalid):
            fields[key] = field
    return fields if len(fields) == len(document) else INVALID


def read_template(reader: Reader, document: Any, place: str, _: int) -> str | Invalid:
    if type_of(document) is not str:
        return reader.report(place, "E-FIELD-TYPE", f"expected a template text, got {type_name(document)}")
    try:
        split_template(document)
    except BadSyntax as error:
        return reader.report(place, "E-SYNTAX", error.what, error.fix)
    return document


def read_path(reader: Reader, document: Any, place: str, _: int) -> Path | Invalid:
    """A path text, or a `path` op that holds one."""
    if type_of(document) is not dict:
        return read_path_text(reader, document, place, _)
    if document.keys() != {"op", "at"} or document["op"] != "path":
        return reader.report(place, "E-FIELD-TYPE", "expected a path, got another expression", "write $.name")
    return read_path_text(reader, document["at"], inside(place, "at"), _)


def read_path_text(reader: Reader, document: Any, place: str, _: int) -> Path | Invalid:
    if type_of(document) is not str:
        return reader.report(
            place, "E-FIELD-TYPE", f"expected a path, got {type_name(document)}", "write $.name"
        )
    try:
        return parse_path(document, reader.limits)
    except BadSyntax as error:
        return reader.report(place, "E-PATH", error.what, error.fix)


# -- constants ---------------------------------------------------------------------------------


def read_value(reader: Reader, document: Any, place: str, _: int) -> Any:
    try:
        encode(document, reader.limits)
    except (BadValue, LimitExceeded) as error:
        return reader.report(place, "E-VALUE", error.what, error.fix)
    return document


def _is_constant(reader: Reader, items: list[Any], place: str) -> bool:
    """Whether nothing in a list looks like an expression that would stay unread."""
    stack: list[tuple[Any, int]] = [(items, 0)]
    while stack:
        item, depth = stack.pop()
        kind = type_of(item)
        if kind in (list, dict) and depth < reader.limits.max_value_depth:
            if kind is dict and "op" in item:
                reader.report(
                    place, "E-LITERAL", "a list is a constant, but this one holds an op", _LITERAL_FIX
                )
                return False
            stack.extend((part, depth + 1) for part in (item.values() if kind is dict else item))
        elif kind is str and (item == "$" or item.startswith(("$.", "$["))):
            shown = item[:60]
            reader.report(
                place, "E-LITERAL", f"a list is a constant, but this one holds {shown!r}", _LITERAL_FIX
            )
            return False
    return True


_LITERAL_FIX = (
    'write the list as one text, "[$.a, $.b]", or {op: lit, value: [...]} if it is meant as it stands'
)
