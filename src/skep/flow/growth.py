"""A bound on values that a flow builds itself.

Values share structure, so a loop around `let` can make one that is tiny in memory and endless as JSON: forty
turns of `[$.x, $.x]` have 2^40 leaves. Every part is weighed once, however often it is referred to.
"""

from __future__ import annotations

from typing import Any

from skep.errors import LimitExceeded
from skep.limits import DEFAULT_LIMITS, Limits
from skep.values import type_of

_FIX = "let the loop write less, or refer to large data by path"


def check_growth(value: Any, limits: Limits = DEFAULT_LIMITS, *, where: str | None = None) -> None:
    """Refuse a value that is certain to exceed the limits of `skep.values.encode`.

    Call it on what enters a ctx other than from outside: what `let` writes, what a join puts together.
    It costs nothing for scalars and is linear in the distinct members of arrays and objects.

    Raises:
        LimitExceeded: `max_value_depth` or `max_value_bytes`.
    """
    if type_of(value) in (dict, list, str):
        size = _Scale(limits, where).weigh(value, limits.max_value_depth)[0]
        if size > limits.max_value_bytes:
            raise LimitExceeded("max_value_bytes", limits.max_value_bytes, where=where, fix=_FIX)


class _Scale:
    """Least encoded size and height of values; containers are remembered by identity during one weighing."""

    def __init__(self, limits: Limits, where: str | None) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._limits = limits
        self._where = where

    def weigh(self, value: Any, room: int) -> tuple[int, int]:
        kind = type_of(value)
        if kind is str:
            return len(value) + 2, 0
        if kind is not dict and kind is not list:
            return 1, 0
        known = self._known.get(id(value))
        if known is None:
            if room == 0:
                raise self._too_deep()
            known = self._known[id(value)] = self._container(value, room - 1)
        if known[1] > room:
            raise self._too_deep()
        return known

    def _container(self, value: Any, room: int) -> tuple[int, int]:
        size, height = 2 + max(0, len(value) - 1), 0
        if type_of(value) is dict:
            size += sum(map(len, value)) + 3 * len(value)
            value = value.values()
        for item in value:
            item_size, item_height = self.weigh(item, room)
            size += item_size
            height = max(height, item_height)
        return size, height + 1

    def _too_deep(self) -> LimitExceeded:
        return LimitExceeded("max_value_depth", self._limits.max_value_depth, where=self._where, fix=_FIX)
