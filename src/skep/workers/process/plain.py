"""Plain mode: what a program printed and its exit code become the attempt's outputs."""

from __future__ import annotations

import signal
from typing import Any

from skep import values
from skep.core.outputs import Artifact, Final, OutputEvent, Progress, inline
from skep.errors import BadValue, LimitExceeded, WorkerFailed
from skep.limits import Limits
from skep.workers.process.child import Exit

SHOWN = 300
"""Characters of stderr in an error message."""

CONTINUATION = range(0x80, 0xC0)
"""Bytes that do not begin a character in UTF-8."""


def outputs(end: Exit, limits: Limits) -> tuple[list[OutputEvent], Final]:
    """What a program that exited by itself has to say beside its result, and the result.

    The value is stdout as JSON, else `{"raw", "stderr"}` with its text right-trimmed and the tail of stderr;
    bytes that are not UTF-8 are replaced, which `"lossy": true` says. `ok` is exit code 0. Any other exit
    code is noted as progress, and stderr kept as an artifact where the value does not hold it.

    Raises:
        LimitExceeded: JSON that is too deep or too big.
    """
    ok = end.code == 0
    value, is_json = _value(end, limits)
    notes: list[OutputEvent] = [] if ok else [Progress("exit", f"exit code {end.code}")]
    if is_json and not ok:
        notes += kept_stderr(end, limits)
    return notes, Final(inline(value, limits, where="output"), ok)


def failure(end: Exit, program: str, limits: Limits) -> WorkerFailed | None:
    """Why the attempt failed without a result, if it did."""
    if end.overflowed:
        cause = LimitExceeded("process_output_bytes", limits.process_output_bytes)
        failed = WorkerFailed(
            f"{program} was killed: {cause}", fix="have it write a file, or raise the limit"
        )
        failed.__cause__ = cause
        return failed
    if end.code is None:
        return WorkerFailed(
            f"the exit code of {program} is lost: something else in this process waits for all children",
            fix="do not ignore SIGCHLD or call waitpid(-1) in the host's process",
        )
    if end.code < 0:
        return WorkerFailed(f"{program} was killed by {_signal_name(-end.code)}{last_words(end)}")
    return None


def kept_stderr(end: Exit, limits: Limits) -> list[OutputEvent]:
    """The tail of stderr as an artifact, if there is any."""
    text, _ = _text(end.stderr, cut=end.stderr_total > len(end.stderr))
    return [Artifact("stderr", inline(text, limits))] if text else []


def last_words(end: Exit) -> str:
    """`; stderr ends: ...`: the last line that a program wrote to stderr."""
    lines = end.stderr.decode(errors="replace").strip().splitlines()
    return f"; stderr ends: {lines[-1][-SHOWN:]}" if lines else ""


def _value(end: Exit, limits: Limits) -> tuple[Any, bool]:
    try:
        return values.decode_untrusted(end.stdout.strip(), limits, where="output"), True
    except BadValue:
        raw, lossy = _text(end.stdout)
        errors, lossy_errors = _text(end.stderr, cut=end.stderr_total > len(end.stderr))
        value: dict[str, Any] = {"raw": raw.rstrip(), "stderr": errors}
        if lossy or lossy_errors:
            value["lossy"] = True
        return value, False


def _text(data: bytes, *, cut: bool = False) -> tuple[str, bool]:
    """Text and whether bytes were replaced; a tail may begin inside a character, which is left out."""
    if cut:
        start = next((at for at in range(min(4, len(data))) if data[at] not in CONTINUATION), 0)
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
