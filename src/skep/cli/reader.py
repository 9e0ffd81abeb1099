"""A reader of our output that leaves early, as `head` does, is no error."""

from __future__ import annotations

import os
import sys


class ReaderGone(Exception):
    """Stdout is a pipe whose reader has closed it. Not an `OSError`: typer would end the process itself."""


def forget_stdout() -> None:
    """Let what is still to be written go nowhere, the interpreter's last flush included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
