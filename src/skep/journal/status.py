"""Which runs have ended, and how a reader's view of a run is selected."""

from __future__ import annotations

from typing import get_args

from skep.core.events import RunEnd
from skep.journal.base import RunSummary

ENDED: tuple[str, ...] = get_args(RunEnd)
"""The statuses of a run that nothing more will happen to."""

INTERRUPTED = "interrupted"
"""What readers call an open run whose owner is gone; never stored."""


def matches(run: RunSummary, *, status: str | None, open_only: bool) -> bool:
    """Whether a reader who asks for these wants `run`."""
    if open_only and run.status in ENDED:
        return False
    return status is None or status == (INTERRUPTED if run.interrupted else run.status)
