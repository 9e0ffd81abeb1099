"""What a `wait` may wait for: which of its fields go together, and what a duration or a moment is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from skep.errors import EvalError
from skep.flow.nodes import Wait
from skep.values import type_name, type_of

MAX_SECONDS = 10 * 366 * 86_400
"""The longest duration: more is a mistake, such as milliseconds."""
MAX_MOMENT_MS = 253_402_300_799_999
"""The end of year 9999, the last that RFC 3339 can write; milliseconds given as seconds lie far beyond it."""
SIGNAL_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT_FIX = "write seconds since 1970, or text such as '2030-01-31T08:00:00Z'"


class Mistake(NamedTuple):
    """Fields of a wait that do not go together; `field` is the one to change, if it is one."""

    message: str
    fix: str
    field: str | None = None


def wait_mistake(wait: Wait) -> Mistake | None:
    """What is wrong with the fields of a wait, whatever stands in them."""
    given = [
        name
        for name, held in (("for", wait.for_), ("until", wait.until), ("signal", wait.signal))
        if held is not None
    ]
    if not given:
        return Mistake("wait needs one of for, until and signal", "write for: 60, or signal: NAME")
    if len(given) > 1:
        return Mistake(f"wait has {' and '.join(given)}", "keep one of them, or put two waits in a parallel")
    if wait.signal is None and wait.out is not None:
        return Mistake("a wait for a time has no value for out", "leave out out, or wait for a signal", "out")
    return None


def duration(value: Any) -> float:
    """Seconds to wait; a negative number is 0.

    Raises:
        EvalError: no number, or more than ten years.
    """
    if type_of(value) not in (int, float):
        raise EvalError(
            f"wait.for must be a number, got: {type_name(value)}", fix="write seconds, as in for: 60"
        )
    if value > MAX_SECONDS:
        raise EvalError("wait.for is more than ten years", fix="give it in seconds")
    return max(0.0, float(value))


def moment(value: Any) -> int:
    """Milliseconds since the epoch of unix seconds or an RFC 3339 text; what lies before the epoch is 0.

    >>> moment("2030-01-31T08:00:00+01:00"), moment(1_896_073_200)
    (1896073200000, 1896073200000)

    Raises:
        EvalError: neither, or after the year 9999.
    """
    kind = type_of(value)
    if kind is str:
        ms = _from_text(value)
    elif kind is int or kind is float:
        # bounded first: the product of a huge number is infinite
        ms = round(min(max(value, 0), MAX_MOMENT_MS) * 1000)
    else:
        raise EvalError(f"wait.until must be a moment, got: {type_name(value)}", fix=_MOMENT_FIX)
    if ms > MAX_MOMENT_MS:
        raise EvalError("wait.until is after the year 9999", fix="give it in seconds, not milliseconds")
    return max(0, ms)


def _from_text(text: str) -> int:
    if _RFC_3339.fullmatch(text) is None:
        raise _no_moment(text)
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:  # the 31st of February; a zone that leads before year 1
        raise _no_moment(text) from error


def _no_moment(text: str) -> EvalError:
    return EvalError(f"wait.until is no RFC 3339 moment: {text[:60]!r}", fix=_MOMENT_FIX)
