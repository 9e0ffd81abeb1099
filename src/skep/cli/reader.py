"""Output that cannot be written: a reader that leaves early, as `head` does, is no error; a full disk is one."""

from __future__ import annotations

import errno
import os
import sys
from typing import Literal, TextIO

_LOST = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF))
_STDOUT = 1
_lost: list[OSError] = []


class ReaderGone(Exception):
    """Stdout is a pipe whose reader has closed it. Not an `OSError`: typer would end the process itself."""


def open_streams() -> None:
    """Put something behind streams that were closed: else the store's file could become number 1 or 2."""
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - it is, after `<&-`
        sys.stdin = _nothing("r")
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = _nothing("w")
        _lost.append(OSError(errno.EBADF, "it is closed"))
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = _nothing("w")


def _nothing(mode: Literal["r", "w"]) -> TextIO:
    """An empty stream under the lowest number that is free; it stays open to the end of the process."""
    return open(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8", closefd=False)


def stdout_failed(error: OSError) -> None:
    """Let what is still to be written go nowhere; `lost` says why, unless only the reader has gone."""
    if not isinstance(error, BrokenPipeError):
        _lost.append(error)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)


def is_output(error: Exception) -> bool:
    """Whether this tells of output and not of a file, whose name it would have."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _LOST


def lost() -> str | None:
    """Why output was lost, if it was."""
    return str(_lost[0].strerror or _lost[0]) if _lost else None
