"""Text for people: times, numbers and names, in short."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skep.visible import visible

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


def duration(milliseconds: float) -> str:
    """A time span in at most six characters.

    >>> [duration(ms) for ms in (12, 1_540, 75_000, 7_380_000, 200_000_000)]
    ['12ms', '1.5s', '1m15s', '2h03m', '2d07h']
    """
    span = max(0, int(milliseconds))
    if span < _SECOND:
        return f"{span}ms"
    if span < _MINUTE:
        return f"{span // 100 / 10:.1f}s"
    if span < _HOUR:
        return f"{span // _MINUTE}m{span % _MINUTE // _SECOND:02d}s"
    if span < 2 * _DAY:
        return f"{span // _HOUR}h{span % _HOUR // _MINUTE:02d}m"
    if span < 100 * _DAY:
        return f"{span // _DAY}d{span % _DAY // _HOUR:02d}h"
    return f"{span // _DAY}d"


def plural(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def names_of(audience: Iterable[str]) -> str:
    """Whom a question is for.

    >>> names_of(["role:senior", "principal:alice", "seat:desk"])
    'senior or alice or seat:desk'
    """
    return " or ".join(name.removeprefix("role:").removeprefix("principal:") for name in audience)


def addressed(audience: Iterable[str]) -> str:
    """The same in a sentence, harmless and short."""
    return f"for {visible(names_of(audience), 80)}"


def in_short(value: Any, limit: int = 160) -> str:
    """Any value in one line."""
    from skep.cli.json_out import json_text

    return visible(value if isinstance(value, str) else json_text(value), limit)
