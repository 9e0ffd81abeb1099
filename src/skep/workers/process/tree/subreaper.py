"""Making this process the one that orphans among its descendants come back to (Linux)."""

from __future__ import annotations

import sys

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37


def become_subreaper() -> bool:
    """Let orphaned descendants become our children, and not those of init; whether the system can do that.

    It holds for the whole process and everything that it starts: a program that is skep does it, one that uses
    skep may choose to (`Engine.open(..., subreaper=True)`).
    """
    if sys.platform != "linux":
        return False
    import ctypes  # noqa: PLC0415 - needed once, by few

    return ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def is_subreaper() -> bool:
    """Whether it is one, whoever made it that."""
    if sys.platform != "linux":
        return False
    import ctypes  # noqa: PLC0415 - as above

    answer = ctypes.c_int(0)
    return ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0) == 0 and bool(
        answer.value
    )
