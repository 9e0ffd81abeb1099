"""Plain mode: what a program printed and its exit code become the attempt's outputs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from skep import values
from skep.core.outputs import Artifact, Final, OutputEvent, Progress, inline
from skep.errors import BadValue, WorkerFailed
from skep.limits import Limits
from skep.workers.base import Ctx
from skep.workers.process.child import Child, Exit
from skep.workers.process.ending import failed_after, kept_stderr, no_exit_code, text_of, too_much

PARSED_HERE = 256 * 1024
"""Output up to this many bytes is parsed on the event loop, more of it in a thread."""


class PlainOutput:
    """Collects stdout, which is read when the program has ended.

    The value is stdout as JSON, else `{"raw", "stderr"}` with its text right-trimmed and the tail of stderr;
    bytes that are not UTF-8 are replaced, which `"lossy": true` says. `ok` is exit code 0. Any other exit
    code is noted as progress, and stderr kept as an artifact where the value does not hold it. A program that
    writes more than `process_output_bytes` is killed.

    A program that pulls may submit its result instead: then that stands, together with the exit code, and stdout
    is kept as an artifact.
    """

    def __init__(self, ctx: Ctx, program: str, limits: Limits) -> None:
        self._ctx = ctx
        self.program = program
        self._limits = limits
        self._child: Child | None = None
        self._chunks: list[bytes] = []
        self._size = 0

    def attach(self, child: Child) -> None:
        self._child = child

    def take(self, chunk: bytes) -> None:
        overflowed = self._overflowed
        self._size += len(chunk)
        if not self._overflowed:
            self._chunks.append(chunk)
        elif self._child is not None and not overflowed:
            self._chunks.clear()
            self._child.kill()

    def failure(self, end: Exit) -> WorkerFailed | None:
        if self._overflowed:
            return too_much(self.program, self._limits.process_output_bytes)
        why = no_exit_code(end, self.program)
        if why is None and end.code != 0 and self._ctx.channel.final_ok():
            why = failed_after(end, self.program)
        return why

    async def deliver(self, end: Exit) -> None:
        stdout = b"".join(self._chunks)
        if self._ctx.channel.final_ok() is not None:
            self._keep(stdout, end)
            return
        if len(stdout) <= PARSED_HERE:
            notes, final = self.read(stdout, end)
        else:
            notes, final = await asyncio.to_thread(self.read, stdout, end)
        if self._ctx.cancel_token.reason is not None:
            return
        if notes:
            self._ctx.channel.emit_many(notes)
        self._ctx.channel.deliver(final)

    def read(self, stdout: bytes, end: Exit) -> tuple[list[OutputEvent], Final]:
        """What the program has to say beside its result, and the result.

        Raises:
            LimitExceeded: JSON that is too deep or too big.
        """
        ok = end.code == 0
        value, is_json = self._value(stdout, end)
        notes: list[OutputEvent] = [] if ok else [Progress("exit", f"exit code {end.code}")]
        if is_json and not ok:
            notes += kept_stderr(end, self._limits)
        return notes, Final(inline(value, self._limits, where="output"), ok)

    def _keep(self, stdout: bytes, end: Exit) -> None:
        """What was printed beside a result that was submitted."""
        text, _ = text_of(stdout)
        notes = [] if end.code == 0 else [Progress("exit", f"exit code {end.code}")]
        kept = [Artifact("stdout", inline(text, self._limits))] if text else []
        self._ctx.channel.emit_many([*notes, *kept, *kept_stderr(end, self._limits)])

    @property
    def _overflowed(self) -> bool:
        return self._size > self._limits.process_output_bytes

    def _value(self, stdout: bytes, end: Exit) -> tuple[Any, bool]:
        text = stdout.strip()
        if text:
            with suppress(BadValue):
                return values.decode_untrusted(text, self._limits, where="output"), True
        raw, lossy = text_of(stdout)
        errors, lossy_errors = text_of(end.stderr, cut=end.stderr_total > len(end.stderr))
        value: dict[str, Any] = {"raw": raw.rstrip(), "stderr": errors}
        if lossy or lossy_errors:
            value["lossy"] = True
        return value, False
