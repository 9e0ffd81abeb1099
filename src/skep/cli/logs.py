"""The program's log: one line a record on stderr, harmless to a terminal (R-data)."""

from __future__ import annotations

import logging
import sys

from skep.cli.text import visible
from skep.errors import JournalFailed


class _OneLine(logging.Formatter):
    """`skep: warning: message (ValueError: why)`; tracebacks are for `--traceback` and for programs."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        cause = f" ({type(error).__name__}: {error})" if error is not None else ""
        return f"skep: {record.levelname.lower()}: {visible(record.getMessage() + cause, 2_000)}"


_held: list[logging.LogRecord] = []
_HELD_MOST = 100


def _hold(record: logging.LogRecord) -> bool:
    """Keep back what tells of a failed journal: the command will, most often, end with that same error."""
    about = record.args if isinstance(record.args, tuple) else ()
    if len(_held) == _HELD_MOST or not any(isinstance(item, JournalFailed) for item in about):
        return True
    _held.append(record)
    return False


def tell_held(error: BaseException | None) -> None:
    """Log what was kept back, unless `error`, with which the command ends, tells it."""
    if not isinstance(error, JournalFailed):
        for handler in logging.getLogger("skep").handlers:
            for record in _held:
                handler.emit(record)
    _held.clear()


def to_stderr() -> None:
    """Send warnings and errors of skep to stderr; calling it again changes nothing."""
    logger = logging.getLogger("skep")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OneLine())
        handler.addFilter(_hold)
        logger.addHandler(handler)
