"""A flow to canonical JSON, in the newest spelling; reading it gives an equal flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skep.errors import LimitExceeded
from skep.flow.grammar import Field, shape_of
from skep.flow.path import Path, format_path
from skep.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from skep.flow.expr import Expr
    from skep.flow.nodes import Node


def to_canonical(node: Node) -> dict[str, Any]:
    """The canonical JSON object of a node. What has a meaningful default is written out all the same.

    Raises:
        LimitExceeded: `max_blueprint_depth`.
    """
    return _write("kind", node, DEFAULT_LIMITS.max_blueprint_depth)


def expr_to_canonical(expr: Expr) -> dict[str, Any]:
    """The canonical JSON object of an expression.

    >>> from skep.flow.expr_text import parse_expression
    >>> expr_to_canonical(parse_expression("$.n < 3"))
    {'op': 'lt', 'lhs': {'op': 'path', 'at': '$.n'}, 'rhs': {'op': 'lit', 'value': 3}}

    Raises:
        LimitExceeded: `max_blueprint_depth`.
    """
    return _write("op", expr, DEFAULT_LIMITS.max_blueprint_depth)


def _write(tag: str, item: Node | Expr, room: int) -> dict[str, Any]:
    if room == 0:
        raise LimitExceeded("max_blueprint_depth", DEFAULT_LIMITS.max_blueprint_depth, where="flow")
    shape = shape_of(item)
    written: dict[str, Any] = {tag: shape.word}
    for field in shape.fields:
        held: Any = getattr(item, field.attribute)
        if held is not None or field.required:
            written[field.name] = _held(field, held, room - 1)
    return written


def _held(field: Field, held: Any, room: int) -> Any:  # noqa: C901 - one line a form
    match field.form:
        case "expr":
            return _write("op", held, room)
        case "exprs" | "some_exprs":
            return [_write("op", item, room) for item in held]
        case "expr_map":
            return {name: _write("op", item, room) for name, item in held.items()}
        case "node":
            return _write("kind", held, room)
        case "nodes":
            return [_write("kind", item, room) for item in held]
        case "node_map":
            return {name: _write("kind", item, room) for name, item in held.items()}
        case "cases":
            return [{"value": case.value, "body": _write("kind", case.body, room)} for case in held]
        case "audience":
            return list(held)
        case "path":
            return path_to_canonical(held)
        case "path_text":
            return format_path(held)
        case "retry":
            backoff = held.backoff
            return {
                "max_attempts": held.max_attempts,
                "backoff": {"initial": backoff.initial, "factor": backoff.factor, "max": backoff.max},
                "on": list(held.on),
            }
        case _:
            return held


def path_to_canonical(path: Path) -> dict[str, Any]:
    """A path as the `path` op that stands where a node is told to write."""
    return {"op": "path", "at": format_path(path)}
