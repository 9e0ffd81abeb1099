"""JSON text to a plain value: depth bounded before the recursive parser runs, no key twice, no NaN."""

from __future__ import annotations

import json
import re
from math import isinf
from typing import TYPE_CHECKING, Any, NoReturn, cast

from skep.errors import BadSyntax, LimitExceeded
from skep.flow.problems import inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skep.limits import Limits

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
"""Strings whole (an unfinished one runs to the end, so the scan stays linear) and brackets."""

_MAX_DIGITS = 20
"""No 64-bit integer has more characters, sign included."""


class _Twice(dict[str, Any]):
    """An object in which `key` stood twice, until its place is known."""

    key: str = ""


class _NotPlainError(ValueError):
    """A number that no value may hold."""


def read_json(text: str, limits: Limits, depth: int, where: str) -> Any:
    """Parse JSON whose arrays and objects nest at most `depth` deep.

    Raises:
        BadSyntax, LimitExceeded: see `skep.flow.document.parse_document`.
    """
    if _is_deeper(text, depth):
        raise LimitExceeded(
            "max_blueprint_depth", limits.max_blueprint_depth, where=where, fix="nest it less deeply"
        )
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise BadSyntax(f"not JSON: {error.msg}", where=f"{where}:{error.lineno}:{error.colno}") from error
    except _NotPlainError as error:
        raise BadSyntax(str(error), where=where, fix="write it as text, or null") from error
    for count, (place, item) in enumerate(_walk(value)):
        if count >= limits.max_blueprint_nodes:
            raise LimitExceeded(
                "max_blueprint_nodes", limits.max_blueprint_nodes, where=where, fix="make it smaller"
            )
        if isinstance(item, _Twice):
            found = inside(place, item.key)
            raise BadSyntax(
                f"key {found} stands twice in the same object", where=where, fix="drop or rename one"
            )
    return value


def _is_deeper(text: str, most: int) -> bool:
    depth = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > most:
                return True
        elif first in "]}":
            depth -= 1
    return False


def _walk(root: Any) -> Iterator[tuple[str, Any]]:
    """Every value with its place, in document order; the stack is explicit and nothing is copied."""
    yield "", root
    stack = [("", _members(root))]
    while stack:
        place, members = stack[-1]
        for key, value in members:
            here = inside(place, key)
            yield here, value
            stack.append((here, _members(value)))
            break
        else:
            stack.pop()


def _members(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return iter(cast("dict[str, Any]", value).items())
    return enumerate(cast("list[Any]", value) if isinstance(value, list) else ())


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    twice = _Twice(members)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            twice.key = key
        seen.add(key)
    return twice


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _NotPlainError("integer outside 64 bits")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise _NotPlainError(f"number {digits[:40]} is too large")
    return number


def _constant(word: str) -> NoReturn:
    raise _NotPlainError(f"{word} is not a JSON number")
