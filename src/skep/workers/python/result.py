"""From what a worker function returned to its `final`."""

from __future__ import annotations

import inspect
from typing import Any, cast

from skep.core.outputs import Final, Inline, inline
from skep.errors import BadValue
from skep.limits import Limits
from skep.values import to_plain
from skep.workers.base import WorkerResult

_JSON = frozenset((str, int, float, bool, type(None), dict, list, tuple))


def final_of(returned: Any, limits: Limits) -> Final:
    """The `Final` for a returned value.

    Good are JSON values, dataclasses, msgspec structs, pydantic models, lists and dicts of these, and a
    `WorkerResult` around any of them.

    Raises:
        BadValue: a part of it has no JSON form.
        LimitExceeded: too deep or too big.
    """
    ok = True
    if type(returned) is WorkerResult:
        returned, ok = returned.value, returned.ok
        if type(ok) is not bool:
            raise BadValue(f"WorkerResult.ok is {type(ok).__name__}, not a boolean", where="result")
    try:
        plain = returned if type(returned) in _JSON else to_plain(returned, where="result")
        return Final(inline(plain, limits, where="result"), ok)
    except BadValue as error:
        return Final(_mended(returned, limits, error), ok)


def _mended(value: Any, limits: Limits, error: BadValue) -> Inline:
    """What was refused as it is, with its members as plain values; raises the error that says best why not."""
    if inspect.iscoroutine(value):
        value.close()
        raise BadValue(
            "a sync function returned a coroutine",
            where="result",
            fix="register the async function itself",
        ) from None
    if type(value) not in (list, tuple, dict):
        raise error
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
