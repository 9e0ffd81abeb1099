"""Identifiers: their shapes, and the generator that hands them to the pure core.

Shapes are the reference's (`T-`, `S-`, `W-` + 16 hex) and ours for runs (`run-` + 16 hex). They are
addresses, never secrets: what keys a capability comes from `new_nonce`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from itertools import count

TASK = "T-"
RUN = "run-"
SESSION = "S-"
WORKER = "W-"
RESUME_KEY = "R-"


def id_source() -> Callable[[str], str]:
    """A generator of ids, unique in this process and decorrelated between processes, forked ones included.

    A counter that starts at a random 63-bit number: ids of one process sort by age, and never run over.
    """
    numbers = count(secrets.randbits(63))

    def begin_anew() -> None:
        nonlocal numbers
        numbers = count(secrets.randbits(63))

    os.register_at_fork(after_in_child=begin_anew)

    def new_id(prefix: str) -> str:
        return "%s%016x" % (prefix, next(numbers))  # noqa: UP031 - quicker than an f-string here

    return new_id


new_id = id_source()


class _Nonces:
    """Nonces cut from blocks of the system's randomness: one call for 256 of them."""

    def __init__(self) -> None:
        self._left: list[str] = []
        os.register_at_fork(after_in_child=self._left.clear)

    def __call__(self) -> str:
        """32 hex digits, never handed out before."""
        left = self._left
        if not left:
            block = secrets.token_hex(16 * 256)
            left.extend(block[at : at + 32] for at in range(0, len(block), 32))
        return left.pop()


new_nonce = _Nonces()


def new_key() -> str:
    """A resume key that nobody guesses; those of a task's own questions are made of its id."""
    return f"{RESUME_KEY}{new_nonce()[:24]}"
