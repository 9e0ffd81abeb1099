"""Identifiers: their shapes, and the generator that hands them to the pure core.

Shapes are the reference's (`T-`, `S-`, `W-` + 16 hex) and ours for runs (`run-` + 16 hex). They are
addresses, never secrets: anything secret comes from `secret_hex`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from itertools import count

TASK = "T-"
RUN = "run-"
SESSION = "S-"
WORKER = "W-"
HANDLE = "wh-"

_MASK = (1 << 64) - 1


def id_source() -> Callable[[str], str]:
    """A generator of ids, unique in this process and decorrelated between processes.

    A counter is added to a random 64-bit start, so ids of one process sort by age.
    """
    start = secrets.randbits(64)
    numbers = count()

    def new_id(prefix: str) -> str:
        return f"{prefix}{(start + next(numbers)) & _MASK:016x}"

    return new_id


new_id = id_source()


def secret_hex(nbytes: int = 16) -> str:
    """`nbytes` fresh random bytes of the operating system as lowercase hex."""
    return secrets.token_hex(nbytes)
