"""The exit codes, documented in `skep --help` and promised to scripts."""

from __future__ import annotations

DONE = 0
FAILED = 1
UNUSABLE_INPUT = 2
TIMEOUT = 3
SUSPENDED = 4
CANCELLED = 130

BY_STATUS = {
    "done": DONE,
    "failed": FAILED,
    "timeout": TIMEOUT,
    "suspended": SUSPENDED,
    "cancelled": CANCELLED,
}


def of_status(status: str) -> int:
    """The exit code of a run that ended, or stands, with this status."""
    return BY_STATUS.get(status, FAILED)
