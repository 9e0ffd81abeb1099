"""Reading what a person types, line by line, without holding up the run."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Iterable
from typing import Any

_STDIN = 0
_LINE = 64 * 1024


def is_interactive() -> bool:
    """Whether a person sits at stdin and stdout, and this is not a job in the background."""
    try:
        return os.isatty(_STDIN) and os.isatty(1) and os.tcgetpgrp(_STDIN) == os.getpgrp()
    except OSError:
        return False


async def read_line(
    prompt: str, until: Iterable[asyncio.Future[Any]] = (), *, goes_on: bool = False
) -> str | None:
    """The next line that is typed after the prompt was shown; null at its end (Ctrl-D) or when one of `until` is done.

    What was typed before is dropped: it was no answer to what is asked now. Unless the line `goes_on` with what the
    line before it began, as the lines of a pasted text do.
    """
    if not goes_on:
        _drop_typed()
    sys.stdout.write(prompt)
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[bytes] = loop.create_future()
    loop.add_reader(_STDIN, _take, typed)
    try:
        await asyncio.wait({typed, *until}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(_STDIN)
    line = typed.result() if typed.done() else b""
    if not line.endswith(b"\n"):
        sys.stdout.write("\n")
    return line.decode(errors="surrogateescape").rstrip("\r\n") if line else None


def _take(typed: asyncio.Future[bytes]) -> None:
    if typed.done():
        return  # the line after it is for the next call
    try:
        line = os.read(_STDIN, _LINE)
    except OSError:
        line = b""  # the terminal has gone
    typed.set_result(line)


def _drop_typed() -> None:
    try:
        termios.tcflush(_STDIN, termios.TCIFLUSH)
    except termios.error:
        return  # the terminal has gone, which the next read tells
