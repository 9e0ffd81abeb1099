"""From what a script returned to its `final`."""

from __future__ import annotations

from typing import Any

from skep.core.outputs import Final, inline
from skep.errors import BadValue
from skep.limits import Limits
from skep.values import type_name, type_of

_ENVELOPE = frozenset({"value", "ok"})


def final_of(returned: Any, limits: Limits) -> Final:
    """A table with nothing but `value`, `ok` or both says whether the result is good; anything else is the value.

    Raises:
        BadValue: an `ok` that is no boolean.
        LimitExceeded: too deep or too big.

    >>> final_of({"ok": False}, Limits()).ok, final_of({"ok": False, "why": 1}, Limits()).ok
    (False, True)
    """
    if type_of(returned) is not dict or not returned or not returned.keys() <= _ENVELOPE:
        return Final(inline(returned, limits, where="result"))
    ok = returned.get("ok", True)
    if type_of(ok) is not bool:
        raise BadValue(f"ok is {type_name(ok)}, not a boolean", where="result")
    return Final(inline(returned.get("value"), limits, where="result"), ok)
