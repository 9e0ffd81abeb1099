"""Reading what only `ask` and `wait` have: audiences, schemas, what a deadline does, names of signals."""

from __future__ import annotations

from typing import Any

from skep.flow.audience import ALTERNATIVES, read_alternative
from skep.flow.nodes import Node, OnTimeout, Wait
from skep.flow.problems import inside
from skep.flow.read_expr import read_value
from skep.flow.reader import INVALID, Invalid, Reader
from skep.flow.waiting import SIGNAL_NAME, wait_mistake
from skep.values import type_name, type_of


def read_audience(reader: Reader, document: Any, place: str, _: int) -> tuple[str, ...] | Invalid:
    """One text, or a list of alternatives."""
    if type_of(document) is str:
        one = _alternative(reader, document, place)
        return one if isinstance(one, Invalid) else (one,)
    most = reader.limits.max_audience
    if type_of(document) is not list:
        message = f"expected an audience, got {type_name(document)}"
        return reader.report(place, "E-FIELD-TYPE", message, f"write {ALTERNATIVES}, or a list of them")
    if not 0 < len(document) <= most:
        message = f"an audience has 1 to {most} alternatives, not {len(document)}"
        return reader.report(place, "E-FIELD-RANGE", message)
    read = [_alternative(reader, item, inside(place, number)) for number, item in enumerate(document)]
    good = [one for one in read if not isinstance(one, Invalid)]
    return tuple(good) if len(good) == len(read) else INVALID


def _alternative(reader: Reader, document: Any, place: str) -> str | Invalid:
    one = read_alternative(document) if type_of(document) is str else None
    if one is not None:
        return one
    shown = repr(document[:60]) if isinstance(document, str) else type_name(document)
    return reader.report(place, "E-FIELD-FORM", f"{shown} is no audience", f"write {ALTERNATIVES}")


def read_schema(reader: Reader, document: Any, place: str, room: int) -> dict[str, Any] | Invalid:
    """A JSON Schema as it stands; what is in it is for lint."""
    if type_of(document) is not dict:
        message = f"expected a JSON Schema, got {type_name(document)}"
        return reader.report(place, "E-FIELD-TYPE", message, "write schema: {type: boolean}")
    return read_value(reader, document, place, room)


def read_on_timeout(reader: Reader, document: Any, place: str, room: int) -> OnTimeout | Invalid:
    if document == "fail":
        return document
    if type_of(document) is dict and document.keys() == {"value"}:
        value = read_value(reader, document["value"], inside(place, "value"), room)
        return value if isinstance(value, Invalid) else {"value": value}
    return reader.report(
        place, "E-FIELD-TYPE", "on_timeout is neither fail nor a value", "write {value: CONSTANT}"
    )


def read_flag(reader: Reader, document: Any, place: str, _: int) -> bool | Invalid:
    if type_of(document) is bool:
        return document
    return reader.report(place, "E-FIELD-TYPE", f"expected true or false, got {type_name(document)}")


def read_signal(reader: Reader, document: Any, place: str, _: int) -> str | Invalid:
    if type_of(document) is str and SIGNAL_NAME.fullmatch(document):
        return document
    shown = repr(document[:60]) if isinstance(document, str) else type_name(document)
    fix = "use up to 128 letters, digits and _ . : - without spaces"
    return reader.report(place, "E-FIELD-FORM", f"{shown} is no name of a signal", fix)


def fitting(reader: Reader, node: Node | Invalid, place: str) -> Node | Invalid:
    """A node whose fields have been read one by one, if they go together."""
    mistake = wait_mistake(node) if isinstance(node, Wait) else None
    if mistake is None:
        return node
    at = place if mistake.field is None else inside(place, mistake.field)
    return reader.report(at, "E-WAIT", mistake.message, mistake.fix)
