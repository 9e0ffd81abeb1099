"""What `alc.card.find` and `read_samples` take: `where`, `order_by`, `offset`, `limit` (strategy runtime, 6.2)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from skep.errors import StrategyError

Row = Mapping[str, Any]
_MISSING = object()


def matches(where: Any, row: Row) -> bool:
    """Whether a row is what `where` describes.

    >>> matches({"stats": {"n": {"gte": 3}}, "_not": {"name": "x"}}, {"stats": {"n": 3}, "name": "y"})
    True

    Raises:
        StrategyError: `where` is no table, or an operator has no list where it wants one.
    """
    if not isinstance(where, dict):
        raise StrategyError("where clause must be a table")
    return all(_holds(name, wanted, row) for name, wanted in cast("dict[str, Any]", where).items())


def _holds(name: str, wanted: Any, row: Row) -> bool:
    if name == "_and":
        return all(matches(clause, row) for clause in _list(name, wanted))
    if name == "_or":
        return any(matches(clause, row) for clause in _list(name, wanted))
    if name == "_not":
        return not matches(wanted, row)
    value = row.get(name, _MISSING)
    if not isinstance(wanted, dict):
        return _eq(value, wanted)
    clause = cast("dict[str, Any]", wanted)
    if clause and clause.keys() <= _OPERATORS.keys():
        return all(_OPERATORS[name](value, operand) for name, operand in clause.items())
    return matches(clause, cast("Row", value) if isinstance(value, dict) else {})


def _list(name: str, value: Any) -> Sequence[Any]:
    if isinstance(value, dict) and not value:
        return ()  # how Lua writes an empty array
    if not isinstance(value, list):
        raise StrategyError(f"where clause: {name} wants an array")
    return cast("list[Any]", value)


# -- operators ---------------------------------------------------------------------------------


def same(one: Any, two: Any) -> bool:
    """Equality of JSON values: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, list) and isinstance(two, list):
        left, right = cast("list[Any]", one), cast("list[Any]", two)
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(one, dict) and isinstance(two, dict):
        first, second = cast("dict[str, Any]", one), cast("dict[str, Any]", two)
        return first.keys() == second.keys() and all(same(first[name], second[name]) for name in first)
    return one == two


def _kind(value: Any) -> str | None:
    """What may be compared with what."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else None


def _eq(value: Any, wanted: Any) -> bool:
    return value is not _MISSING and same(value, wanted)


def _in(value: Any, wanted: Any) -> bool:
    return value is not _MISSING and any(same(value, one) for one in _list("in", wanted))


def _nin(value: Any, wanted: Any) -> bool:
    return value is _MISSING or not any(same(value, one) for one in _list("nin", wanted))


def _exists(value: Any, wanted: Any) -> bool:
    return (value is not _MISSING) == (wanted if isinstance(wanted, bool) else True)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(value: Any, wanted: Any) -> bool:
        kind = _kind(value)
        return kind is not None and kind == _kind(wanted) and compare(value, wanted)

    return holds


def _textual(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def holds(value: Any, wanted: Any) -> bool:
        return isinstance(value, str) and isinstance(wanted, str) and compare(value, wanted)

    return holds


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": _eq,
    "ne": lambda value, wanted: not _eq(value, wanted),
    "lt": _ordered(operator.lt),
    "lte": _ordered(operator.le),
    "gt": _ordered(operator.gt),
    "gte": _ordered(operator.ge),
    "in": _in,
    "nin": _nin,
    "exists": _exists,
    "contains": _textual(operator.contains),
    "starts_with": _textual(str.startswith),
}


# -- order and pages ---------------------------------------------------------------------------


def ordered(rows: Iterable[Row], order_by: Any) -> list[Row]:
    """Rows by one or more dotted paths, `-` before one for descending.

    What lacks the path comes last, and first when the order is descending.

    Raises:
        StrategyError: `order_by` is neither text nor an array of it.
    """
    paths = [order_by] if isinstance(order_by, str) else order_by
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in cast("list[Any]", paths)):
        raise StrategyError("order_by must be a string or an array of strings")
    result = list(rows)
    for path in reversed(cast("list[str]", paths)):
        parts = path.removeprefix("-").split(".")
        result.sort(key=lambda row, parts=parts: _rank(_at(row, parts)), reverse=path.startswith("-"))
    return result


def page(rows: Sequence[Row], offset: Any, limit: Any) -> Sequence[Row]:
    """`offset` rows left out, then at most `limit`. Raises `StrategyError`: no whole number from 0."""
    first = whole("offset", offset, 0)
    last = first + whole("limit", limit, len(rows))
    return rows[first:last]


def whole(name: str, value: Any, default: int) -> int:
    """A whole number from 0, or `default` for null; a float without a fraction counts."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value != int(value):
        raise StrategyError(f"{name} must be a whole number from 0")
    return int(value)


def _at(row: Row, parts: Sequence[str]) -> Any:
    value: Any = row
    for part in parts:
        if not isinstance(value, dict) or part not in value:
            return _MISSING
        value = cast("dict[str, Any]", value)[part]
    return value


_RANKS = {"boolean": 0, "number": 1, "string": 2}


def _rank(value: Any) -> tuple[Any, ...]:
    kind = _kind(value)
    if kind is None:
        return (4,) if value is _MISSING else (3,)
    return (_RANKS[kind], value)
