"""How a process is known to belong to an attempt: what it carries and hands on to whatever it starts.

The *marker* is text in the environment. A program may clear that, so the kernel holds a second one, the *brand*:
the hard limit RLIMIT_LOCKS, which nothing has looked at since Linux 2.4, is inherited by every child, is kept by
`execve` and by a zombie, and is not raised again without privilege.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from typing import NamedTuple

if sys.platform == "linux":
    from resource import prlimit
else:
    prlimit = None

VARIABLE = "SKEP_MARKER"

_LOCKS = 10
"""RLIMIT_LOCKS: Python has no name for it."""
_UNLIMITED = -1
_BRANDS = 1 << 62
_FEWEST = 1 << 40
"""Fewer brands to choose from than this are not worth the chance that two hosts choose the same."""


class Mark(NamedTuple):
    """What is kept of one attempt to recognise its processes."""

    digest: str
    """Of the marker."""
    brand: int
    """0: none could be set."""


def new_mark() -> tuple[str, Mark]:
    """A marker of 128 random bits, and what is kept of it."""
    drawn = os.urandom(24)
    marker = drawn[:16].hex()
    most = _most()
    brand = 1 + int.from_bytes(drawn[16:], "big") % (most - 1) if most >= _FEWEST else 0
    return marker, Mark(digest_of(marker), brand)


def digest_of(marker: str) -> str:
    """What is recorded in a marker's place.

    >>> digest_of("0" * 32)
    '84e0c0eafaa95a34c293f278ac52e45c'
    """
    return hashlib.sha256(marker.encode(errors="surrogateescape")).hexdigest()[:32]


def set_brand(pid: int, mark: Mark) -> None:
    """Brand a process that was just started; without a brand it is known by its marker alone."""
    if mark.brand and prlimit is not None:
        with suppress(OSError, ValueError):  # it has ended, or became another user's
            prlimit(pid, _LOCKS, (mark.brand, mark.brand))


def brand_of(pid: int) -> int:
    """The brand that a process carries; 0 if none, if it has gone, or if it is another user's."""
    if prlimit is None:
        return 0
    try:
        hard = prlimit(pid, _LOCKS)[1]
    except (OSError, ValueError):
        return 0
    return 0 if hard == _UNLIMITED else hard


def _most() -> int:
    """A worker of a worker can only be given a brand below the one that it was born with."""
    if prlimit is None:
        return 0
    hard = brand_of(0)
    return min(hard or _BRANDS, _BRANDS)
