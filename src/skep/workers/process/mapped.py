"""A program whose JSON is mapped to result, verdict and usage by JSON pointers."""

from __future__ import annotations

from typing import Any

from skep import values
from skep.core.outputs import Artifact, Final, OutputEvent, Progress, inline
from skep.errors import BadValue, WorkerFailed
from skep.flow.parts import ProcessOutput, ProcessStats
from skep.flow.pointer import pointed_at
from skep.limits import Limits
from skep.values import type_of
from skep.workers.base import Ctx
from skep.workers.process.child import Exit
from skep.workers.process.ending import kept_stderr, last_words
from skep.workers.process.plain import PlainOutput


class MappedOutput(PlainOutput):
    """Reads stdout as JSON when the program has ended.

    The value is what `result_ptr` points at, else the whole; `ok` is exit code 0, or the boolean at the pointer
    `ok_from`: then any other exit code fails the attempt. Output that is not JSON and a pointer to nothing
    fail it too. What is found of `stats` is the artifact `usage`; the rest is noted as progress.
    """

    def __init__(self, ctx: Ctx, program: str, mapping: ProcessOutput, limits: Limits) -> None:
        super().__init__(ctx, program, limits)
        self._mapping = mapping

    def read(self, stdout: bytes, end: Exit) -> tuple[list[OutputEvent], Final]:
        try:
            value = values.decode_untrusted(stdout.strip(), self._limits, where="stdout")
            result = self._at(value, "result_ptr", self._mapping.result_ptr or "")
            ok = self._ok(value, end)
        except BadValue as error:
            exited = f"exit code {end.code}, and " if end.code else ""
            raise WorkerFailed(f"{exited}{error.where}: {error.what}{last_words(end)}") from error
        notes: list[OutputEvent] = [] if end.code == 0 else [Progress("exit", f"exit code {end.code}")]
        if not ok:
            notes += kept_stderr(end, self._limits)
        if self._mapping.stats is not None:
            notes += self._usage(value, self._mapping.stats)
        return notes, Final(inline(result, self._limits, where="result"), ok)

    def _ok(self, value: Any, end: Exit) -> bool:
        pointer = self._mapping.ok_from
        if pointer is None or pointer == "exit_code":
            return end.code == 0
        if end.code != 0:
            raise BadValue("the program failed", where="its end")
        ok = self._at(value, "ok_from", pointer)
        if type_of(ok) is not bool:
            raise BadValue(f"at {pointer} is {values.type_name(ok)}, not a boolean", where="ok_from")
        return ok

    def _at(self, value: Any, field: str, pointer: str) -> Any:
        try:
            return pointed_at(value, pointer)
        except BadValue as error:
            raise BadValue(error.what, where=field) from error

    def _usage(self, value: Any, stats: ProcessStats) -> list[OutputEvent]:
        pointers = {"usage": stats.usage_ptr, "model": stats.model_ptr, "num_turns": stats.num_turns_ptr}
        found: dict[str, Any] = {}
        notes: list[OutputEvent] = []
        for name, pointer in pointers.items():
            if pointer is not None:
                try:
                    found[name] = pointed_at(value, pointer)
                except BadValue as error:
                    notes.append(Progress("usage", f"{name}: {error.what}"))
        if found:
            notes.append(Artifact("usage", inline(found, self._limits, where="usage")))
        return notes
