"""The program's log: one line a record on stderr, harmless to a terminal (R-data)."""

from __future__ import annotations

import logging
import sys

from skep.cli.text import visible


class _OneLine(logging.Formatter):
    """`skep: warning: message (ValueError: why)`; tracebacks are for `--traceback` and for programs."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        cause = f" ({type(error).__name__}: {error})" if error is not None else ""
        return f"skep: {record.levelname.lower()}: {visible(record.getMessage() + cause, 2_000)}"


def to_stderr() -> None:
    """Send warnings and errors of skep to stderr; calling it again changes nothing."""
    logger = logging.getLogger("skep")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OneLine())
        logger.addHandler(handler)
