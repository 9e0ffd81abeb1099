"""Reading the small fields: names, numbers, the join word and the retry policy."""

from __future__ import annotations

import math
from typing import Any, get_args

from skep.core.retry import Backoff, FailureKind, RetryPolicy
from skep.flow.keys import NAME_RULE, is_name
from skep.flow.nodes import Join
from skep.flow.problems import did_you_mean, inside
from skep.flow.reader import INVALID, Invalid, Reader
from skep.values import type_name, type_of

RESERVED_IDS = frozenset({"then", "else", "body", "catch", "default"})
MAX_SECONDS = 1e9
"""About 32 years: more is a mistake, and later sums must stay integers of 64 bits."""


def read_text(reader: Reader, document: Any, place: str, _: int) -> str | Invalid:
    if type_of(document) is str and document:
        return document
    return reader.report(place, "E-FIELD-TYPE", f"expected a name, got {_shown(document)}")


def read_id(reader: Reader, document: Any, place: str, _: int) -> str | Invalid:
    if type_of(document) is not str or not is_name(document):
        return reader.report(
            place, "E-ID", f"{_shown(document)} cannot stand in a step key", f"use {NAME_RULE}"
        )
    if document in RESERVED_IDS:
        return reader.report(
            place, "E-ID", f"{document!r} is a fixed word of step keys", "choose another name"
        )
    return document


def read_join(reader: Reader, document: Any, place: str, _: int) -> str | Invalid:
    words = list(get_args(Join))
    if type_of(document) is str and document in words:
        return document
    return _no_choice(reader, place, document, words)


def read_turns(reader: Reader, document: Any, place: str, _: int) -> int | Invalid:
    return _integer(reader, document, place, 0, reader.limits.max_steps)


def read_lanes(reader: Reader, document: Any, place: str, _: int) -> int | Invalid:
    return _integer(reader, document, place, 1, reader.limits.max_steps)


def read_seconds(reader: Reader, document: Any, place: str, _: int) -> float | Invalid:
    seconds = _number(reader, document, place)
    if seconds == 0.0:
        return reader.report(
            place, "E-FIELD-RANGE", "more than 0 seconds are needed", "leave it out for no limit"
        )
    return seconds


def read_retry(reader: Reader, document: Any, place: str, _: int) -> RetryPolicy | Invalid:
    readers = {"max_attempts": _attempts, "backoff": _backoff, "on": _failures}
    held = _record(reader, document, place, "retry", readers)
    return held if isinstance(held, Invalid) else RetryPolicy(**held)


def _attempts(reader: Reader, document: Any, place: str) -> int | Invalid:
    return _integer(reader, document, place, 1, reader.limits.max_steps)


def _backoff(reader: Reader, document: Any, place: str) -> Backoff | Invalid:
    readers = {"initial": _number, "factor": _number, "max": _number}
    held = _record(reader, document, place, "backoff", readers)
    return held if isinstance(held, Invalid) else Backoff(**held)


def _failures(reader: Reader, document: Any, place: str) -> tuple[str, ...] | Invalid:
    if type_of(document) is not list:
        return reader.report(
            place, "E-FIELD-TYPE", f"expected a list of words, got {_shown(document)}", "write on: [error]"
        )
    words, good = list(get_args(FailureKind)), True
    for index, word in enumerate(document):
        if type_of(word) is not str or word not in words:
            _no_choice(reader, inside(place, index), word, words)
            good = False
    return tuple(document) if good else INVALID


def _record(
    reader: Reader, document: Any, place: str, what: str, readers: dict[str, Any]
) -> dict[str, Any] | Invalid:
    if type_of(document) is not dict:
        fix = f"write {what}: {{{next(iter(readers))}: ...}}"
        return reader.report(place, "E-FIELD-TYPE", f"expected an object, got {_shown(document)}", fix)
    held: dict[str, Any] = {}
    for key, value in document.items():
        read = readers.get(key) if type_of(key) is str else None
        if read is None:
            fix = did_you_mean(str(key)[:60], list(readers))
            message = f"{what} has no field {str(key)[:60]!r}"
            reader.report(inside(place, str(key)), "E-FIELD-UNKNOWN", message, fix)
            continue
        item = read(reader, value, inside(place, key))
        if not isinstance(item, Invalid):
            held[key] = item
    return held if len(held) == len(document) else INVALID


def _integer(reader: Reader, document: Any, place: str, least: int, most: int) -> int | Invalid:
    if type_of(document) is not int:
        return reader.report(place, "E-FIELD-TYPE", f"expected an integer, got {_shown(document)}")
    if least <= document <= most:
        return document
    return reader.report(place, "E-FIELD-RANGE", f"{_shown(document)} is not within {least} and {most:,}")


def _number(reader: Reader, document: Any, place: str) -> float | Invalid:
    if type_of(document) not in (int, float):
        return reader.report(place, "E-FIELD-TYPE", f"expected a number, got {_shown(document)}")
    if 0 <= document <= MAX_SECONDS and math.isfinite(document):
        return float(document)
    return reader.report(place, "E-FIELD-RANGE", f"{_shown(document)} is not within 0 and {MAX_SECONDS:,.0f}")


def _no_choice(reader: Reader, place: str, document: Any, words: list[str]) -> Invalid:
    return reader.report(
        place,
        "E-FIELD-CHOICE",
        f"expected one of {', '.join(words)}, got {_shown(document)}",
        did_you_mean(str(document)[:60], words),
    )


def _shown(document: Any) -> str:
    if type_of(document) in (str, bool) or document is None:
        return repr(document)[:62]
    if type_of(document) in (int, float) and abs(document) < _LONG:
        return str(document)
    return f"this {type_name(document)}"


_LONG = 1e30
