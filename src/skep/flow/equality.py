"""Equality of JSON values: structural, 2 equals 2.0, and true is not 1.

Python's own `==` will not do: it takes `[true]` for `[1]`, recurses, and may never end on values that share
parts.
"""

from __future__ import annotations

from typing import Any

from skep.errors import LimitExceeded
from skep.limits import DEFAULT_LIMITS
from skep.values import type_of

_BUDGET = DEFAULT_LIMITS.max_compared


def equal(a: object, b: object) -> bool:
    """Whether two JSON values are equal.

    >>> equal({"n": 2}, {"n": 2.0}), equal(True, 1), equal([True], [1])
    (True, False, False)

    Raises:
        LimitExceeded: `max_compared` members looked at.
    """
    kind = type(a)
    if kind is str:
        return a == b
    if kind is dict or kind is list:
        return kind is type(b) and _same(a, b, _BUDGET) >= 0
    if kind is bool or type(b) is bool:
        return a is b
    return a == b


def member(needle: Any, items: list[Any]) -> bool:
    """Whether an array holds an item equal to `needle`."""
    kind = type_of(needle)
    if kind is not dict and kind is not list:
        return any(equal(needle, item) for item in items)
    budget = _BUDGET
    for item in items:
        if type_of(item) is kind:
            left = _same(needle, item, budget)
            if left >= 0:
                return True
            budget += left + 1
    return False


def _same(a: Any, b: Any, budget: int) -> int:
    """What is left of `budget` when two containers of one type are equal; else -1 minus what was spent."""
    spent = 0
    pairs = [(a, b)]
    while pairs:
        a, b = pairs.pop()
        spent += 1
        kind = type_of(a)
        if a is b:
            continue
        if kind is not dict and kind is not list:
            if not equal(a, b):
                return -1 - spent
            continue
        if kind is not type_of(b) or len(a) != len(b):
            return -1 - spent
        if spent + len(pairs) + len(a) > budget:
            raise LimitExceeded(
                "max_compared", _BUDGET, fix="compare smaller parts, such as an id or a len(...)"
            )
        if kind is list:
            pairs.extend(zip(a, b, strict=True))
        elif a.keys() == b.keys():
            pairs.extend((item, b[key]) for key, item in a.items())
        else:
            return -1 - spent
    return budget - spent
