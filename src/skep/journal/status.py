"""Which runs have ended, and how a reader's view of a run is selected."""

from __future__ import annotations

from typing import get_args

from skep.core.events import RunEnd
from skep.journal.base import RunSummary

ENDED: tuple[str, ...] = get_args(RunEnd)
"""The statuses of a run that nothing more will happen to."""

INTERRUPTED = "interrupted"
"""What readers call a running run whose owner is gone; never stored."""
SUSPENDED = "suspended"


def matches(run: RunSummary, *, status: str | None, open_only: bool) -> bool:
    """Whether a reader who asks for these wants `run`."""
    if open_only and run.status in ENDED:
        return False
    return status is None or status == seen_status(run)


def seen_status(run: RunSummary) -> str:
    """What a reader calls it: without an owner, work is interrupted; what waits for an answer goes on waiting."""
    return INTERRUPTED if run.interrupted and run.status not in (*ENDED, SUSPENDED) else run.status
