"""Every node and expression of a flow with its place, in document order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skep.flow.expr import Expr
from skep.flow.grammar import Field, shape_of
from skep.flow.nodes import Node
from skep.flow.problems import inside

Item = Node | Expr


def walk(root: Item, place: str = "flow") -> Iterator[tuple[Item, str]]:
    """Parents before what they hold; the stack is explicit."""
    stack: list[tuple[Item, str]] = [(root, place)]
    while stack:
        item, at = stack.pop()
        yield item, at
        held = [part for field in shape_of(item).fields for part in _parts(field, item, at)]
        stack.extend(reversed(held))


def _parts(field: Field, item: Item, place: str) -> Iterator[tuple[Item, str]]:
    held: Any = getattr(item, field.attribute)
    at = inside(place, field.name)
    if held is None:
        return
    match field.form:
        case "expr" | "node":
            yield held, at
        case "exprs" | "some_exprs" | "nodes":
            yield from ((part, inside(at, number)) for number, part in enumerate(held))
        case "expr_map" | "node_map":
            yield from ((part, inside(at, name)) for name, part in held.items())
        case "cases":
            yield from ((case.body, inside(inside(at, number), "body")) for number, case in enumerate(held))
        case _:
            pass
