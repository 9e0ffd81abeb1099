"""Tokens: estimated from text, or given by whoever answered (reference: strategy runtime, 5.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

Source = Literal["estimated", "provided", "definite"]
_WEAKEST: tuple[Source, ...] = ("estimated", "provided", "definite")


class Tokens(Struct, frozen=True):
    """A number of tokens and how it is known; a sum is known as well as its weakest part."""

    tokens: int
    source: Source = "definite"


NO_TOKENS = Tokens(0)


def estimate(text: str) -> Tokens:
    """A quarter of the ASCII characters and two thirds of the others, each rounded up.

    >>> estimate("twelve chars").tokens, estimate("日本語").tokens
    (3, 2)
    """
    wide = sum(not char.isascii() for char in text)
    return Tokens(-(-(len(text) - wide) // 4) + -(-2 * wide // 3), "estimated")


def total(parts: Iterable[Tokens]) -> Tokens:
    """Their sum; nothing at all is definitely zero.

    >>> total([Tokens(3, "provided"), Tokens(4, "estimated")])
    Tokens(tokens=7, source='estimated')
    """
    tokens, source = 0, len(_WEAKEST) - 1
    for part in parts:
        tokens += part.tokens
        source = min(source, _WEAKEST.index(part.source))
    return Tokens(tokens, _WEAKEST[source])
