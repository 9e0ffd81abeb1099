"""What is wrong with an `ask` or a `wait` whatever the run's input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from skep.errors import EvalError
from skep.flow.audience import seat_of
from skep.flow.catalog import Catalog
from skep.flow.expr import Expr, Lit
from skep.flow.nodes import Ask, Wait
from skep.flow.problems import Problem, did_you_mean, inside
from skep.flow.waiting import duration, moment
from skep.limits import KIB
from skep.values import canonical, type_of

MAX_SCHEMA_BYTES = 64 * KIB
"""The canonical JSON of a question's schema."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def lint_ask(ask: Ask, place: str, seats: Collection[str], catalog: Catalog) -> Iterator[Problem]:
    """The problems of one question; `seats` are those that the Blueprint declares."""
    for number, alternative in enumerate(ask.audience):
        seat = seat_of(alternative)
        if seat is not None and seat not in seats:
            fix = did_you_mean(seat[:60], sorted(seats)) or "declare it under operators"
            at = inside(inside(place, "audience"), number)
            yield Problem(at, "E-SEAT", f"seat {seat[:60]!r} is not declared", fix)
    if ask.schema is not None:
        yield from _schema(ask.schema, inside(place, "schema"), catalog)
    if ask.on_timeout != "fail" and ask.deadline is None:
        yield _idle(inside(place, "on_timeout"), "on_timeout has no effect without a deadline")
    if ask.allow_self and not ask.approval:
        yield _idle(inside(place, "allow_self"), "allow_self has no effect without approval")


def _idle(place: str, message: str) -> Problem:
    return Problem(place, "W-ASK-IDLE", message, "add the other, or leave it out", "warning")


def _schema(schema: dict[str, Any], place: str, catalog: Catalog) -> Iterator[Problem]:
    size = len(canonical(schema))
    if size > MAX_SCHEMA_BYTES:
        message = f"the schema has {size:,} bytes, more than {MAX_SCHEMA_BYTES:,}"
        yield Problem(place, "E-QUESTION-SCHEMA", message, "ask for less, or ask more than one question")
        return
    outside = next(_outside(schema, place), None)
    if outside is not None:
        yield Problem(
            outside,
            "E-QUESTION-SCHEMA",
            "the schema refers to another document",
            "use $defs and #/$defs/NAME",
        )
        return
    wrong = None if catalog.check_schema is None else catalog.check_schema(schema)
    if wrong is not None:
        yield Problem(place, "E-QUESTION-SCHEMA", wrong)


def _outside(schema: Any, place: str) -> Iterator[str]:
    """Places of references that leave the schema, also where it only looks like one."""
    stack = [(schema, place)]
    while stack:
        item, at = stack.pop()
        kind = type_of(item)
        if kind is list:
            stack.extend((part, inside(at, number)) for number, part in enumerate(item))
        elif kind is dict:
            for key, part in item.items():
                if key in _REFERENCES and isinstance(part, str) and not part.startswith("#"):
                    yield inside(at, key)
                stack.append((part, inside(at, key)))


def lint_wait(wait: Wait, place: str) -> Iterator[Problem]:
    """The problems of one wait for a constant time."""
    yield from _time(wait.for_, duration, inside(place, "for"))
    yield from _time(wait.until, moment, inside(place, "until"))


def _time(expr: Expr | None, read: Callable[[Any], Any], place: str) -> Iterator[Problem]:
    if isinstance(expr, Lit):
        try:
            read(expr.value)
        except EvalError as error:
            yield Problem(place, "E-WAIT", error.what, error.fix)
