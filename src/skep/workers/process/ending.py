"""How a program's end is told: its exit, the signal that killed it, what it wrote to stderr."""

from __future__ import annotations

import signal

from skep.core.outputs import Artifact, OutputEvent, inline
from skep.errors import LimitExceeded, WorkerFailed
from skep.limits import Limits
from skep.workers.process.child import Exit

SHOWN = 300
"""Characters of stderr in an error message."""

_CONTINUATION = range(0x80, 0xC0)
"""Bytes that do not begin a character in UTF-8."""


def no_exit_code(end: Exit, program: str) -> WorkerFailed | None:
    """The failure of a program that did not exit by itself, as far as can be told."""
    if end.code is None:
        return WorkerFailed(
            f"the exit code of {program} is lost: something else in this process waits for all children",
            fix="do not ignore SIGCHLD or call waitpid(-1) in the host's process",
        )
    if end.code < 0:
        return WorkerFailed(f"{program} was killed by {_signal_name(-end.code)}{last_words(end)}")
    return None


def failed_after(end: Exit, program: str) -> WorkerFailed:
    """The failure of a program that had a good result and did not exit with 0."""
    return WorkerFailed(
        f"{program} ended with exit code {end.code} after its final{last_words(end)}",
        fix="a program that has done its work exits with 0",
    )


def too_much(program: str, most: int) -> WorkerFailed:
    """The failure of a program that writes more than it may."""
    cause = LimitExceeded("process_output_bytes", most)
    why = WorkerFailed(f"{program} was killed: {cause}", fix="have it write a file, or raise the limit")
    why.__cause__ = cause
    return why


def kept_stderr(end: Exit, limits: Limits) -> list[OutputEvent]:
    """The tail of stderr as an artifact, if there is any."""
    text, _ = text_of(end.stderr, cut=end.stderr_total > len(end.stderr))
    return [Artifact("stderr", inline(text, limits))] if text else []


def last_words(end: Exit) -> str:
    """`; stderr ends: ...`: the last line that a program wrote to stderr."""
    lines = end.stderr.decode(errors="replace").strip().splitlines()
    return f"; stderr ends: {lines[-1][-SHOWN:]}" if lines else ""


def text_of(data: bytes, *, cut: bool = False) -> tuple[str, bool]:
    """Text and whether bytes were replaced; a tail may begin inside a character, which is left out."""
    if cut:
        start = next((at for at in range(min(4, len(data))) if data[at] not in _CONTINUATION), 0)
        data = data[start:]
    try:
        return data.decode(), False
    except UnicodeDecodeError:
        return data.decode(errors="replace"), True


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
