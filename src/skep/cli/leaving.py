"""Leaving at once, out of a signal handler or a thread: nothing is waited for, no worker is left behind."""

from __future__ import annotations

import contextlib
import json
import os
from typing import NoReturn

from skep.cli.processes import kill_descendants

_SHOW_CURSOR = b"\x1b[?25h\n"
_STDOUT, _STDERR = 1, 2


def leave(
    exit_code: int, status: str, message: str, *, as_json: bool = False, run_id: str | None = None
) -> NoReturn:
    """Kill all descendants, say `message` (with `as_json` as an object, too) and end the process."""
    kill_descendants()
    if os.isatty(_STDOUT):
        _write(_STDOUT, _SHOW_CURSOR)
    say(message)
    if as_json:
        error = {"code": "E-STOPPED", "message": message, "where": None, "fix": None}
        found = {"run_id": run_id, "status": status, "result": None, "error": error, "stats": {}}
        _write(_STDOUT, json.dumps(found, separators=(",", ":")).encode() + b"\n")
    os._exit(exit_code)


def say(message: str) -> None:
    """One line on stderr, from wherever it is called."""
    _write(_STDERR, f"skep: {message}\n".encode())


def _write(stream: int, data: bytes) -> None:
    """Past Python's buffers: a handler may have broken into the middle of a write to them."""
    with contextlib.suppress(OSError):  # closed, full or hung up: there is nobody left to tell
        os.write(stream, data)
