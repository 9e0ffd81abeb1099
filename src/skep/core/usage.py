"""What an attempt reports to have used, in whatever shape its model's interface has."""

from __future__ import annotations

from math import ceil
from typing import Any

from msgspec import Struct

from skep.values import type_of

MICROS = 1_000_000
MOST = 2**53
"""More than this of anything is no report."""

_TOTALS = ("tokens", "total_tokens")
_PARTS = (
    "input_tokens",
    "output_tokens",
    "prompt_tokens",
    "completion_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
_MONEY = ("money", "cost_usd", "total_cost_usd")
_DEPTH = 3


class Usage(Struct, frozen=True):
    """Tokens, and money in millionths."""

    tokens: int = 0
    money: int = 0


def read_usage(report: Any) -> Usage | None:
    """What an artifact `usage` says; `None` if it says nothing that is understood.

    A number is tokens. An object has `tokens` or `total_tokens`, or the parts whose sum that is (`input_tokens`,
    `output_tokens`, `prompt_tokens`, ...); and `money`, `cost_usd` or `total_cost_usd`. What it does not have itself
    is looked for in its member `usage`. Members that are no numbers, or negative, are passed over.

    >>> read_usage({"usage": {"input_tokens": 100, "output_tokens": 20}, "total_cost_usd": 0.5, "model": "m"})
    Usage(tokens=120, money=500000)
    """
    tokens: int | None = None
    money: int | None = None
    for _ in range(_DEPTH):
        if type_of(report) is not dict:
            tokens = _whole(report) if tokens is None else tokens
            break
        tokens = _tokens(report) if tokens is None else tokens
        money = _first(report, _MONEY, MICROS) if money is None else money
        report = report.get("usage")
    if tokens is None and money is None:
        return None
    return Usage(tokens or 0, money or 0)


def _tokens(report: dict[str, Any]) -> int | None:
    total = _first(report, _TOTALS)
    if total is not None:
        return total
    parts = [part for name in _PARTS if (part := _whole(report.get(name))) is not None]
    return sum(parts) if parts else None


def _first(report: dict[str, Any], names: tuple[str, ...], unit: int = 1) -> int | None:
    found = (_whole(report.get(name), unit) for name in names)
    return next((number for number in found if number is not None), None)


def _whole(value: Any, unit: int = 1) -> int | None:
    """A number in units, rounded up."""
    if type_of(value) not in (int, float) or not 0 <= value <= MOST // unit:
        return None
    return ceil(value * unit)
