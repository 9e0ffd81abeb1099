"""From what a worker function returned to its `final`."""

from __future__ import annotations

import inspect
from typing import Any, cast

from skep.core.outputs import Final, inline
from skep.errors import BadValue
from skep.limits import Limits
from skep.values import to_plain
from skep.workers.base import WorkerResult

_PLAIN = frozenset((str, int, float, bool, type(None)))


def final_of(returned: Any, limits: Limits) -> Final:
    """The `Final` for a returned value.

    Good are JSON values, dataclasses, msgspec structs, pydantic models, lists and dicts of these, and a
    `WorkerResult` around any of them.

    Raises:
        BadValue: a part of it has no JSON form.
        LimitExceeded: too deep or too big.
    """
    if type(returned) is not WorkerResult:
        return Final(_inline(returned, limits))
    if type(returned.ok) is not bool:
        raise BadValue(f"WorkerResult.ok is {type(returned.ok).__name__}, not a boolean", where="result")
    return Final(_inline(returned.value, limits), returned.ok)


def _inline(value: Any, limits: Limits) -> Any:
    if type(value) in _PLAIN:
        return inline(value, limits, where="result")
    try:
        return inline(to_plain(value, where="result"), limits, where="result")
    except BadValue:
        if inspect.iscoroutine(value):
            value.close()
            raise BadValue(
                "a sync function returned a coroutine",
                where="result",
                fix="register the async function itself",
            ) from None
        if type(value) not in (list, tuple, dict):
            raise
    return inline(_plain_members(value, limits.max_value_depth), limits, where="result")


def _plain_members(value: Any, depth: int) -> Any:
    """Only when the quick way failed: containers copied with their structured members as plain values."""
    if depth == 0:
        return value
    if type(value) is dict:
        members = cast("dict[Any, Any]", value)
        return {key: _plain_members(member, depth - 1) for key, member in members.items()}
    if type(value) in (list, tuple):
        return [_plain_members(member, depth - 1) for member in cast("list[Any]", value)]
    return to_plain(value, where="result")
