"""Of whom a question is asked: `role:senior`, `seat:NAME` or `principal:NAME`."""

from __future__ import annotations

import re

ALTERNATIVES = "role:senior, seat:NAME or principal:NAME"
AUDIENCE_PATTERN = r"^(senior|role:senior|(seat|principal):\S(.{0,198}\S)?)$"

_AUDIENCE = re.compile(AUDIENCE_PATTERN)
_SHORT = {"senior": "role:senior"}


def read_alternative(text: str) -> str | None:
    """One alternative of an audience in its newest spelling, `None` if it is none.

    >>> read_alternative("senior"), read_alternative("seat:lead"), read_alternative("lead")
    ('role:senior', 'seat:lead', None)
    """
    return _SHORT.get(text, text) if _AUDIENCE.fullmatch(text) and text.isprintable() else None


def seat_of(alternative: str) -> str | None:
    """The seat that an alternative names."""
    kind, _, name = alternative.partition(":")
    return name if kind == "seat" else None
