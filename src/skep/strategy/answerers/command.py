"""`Command`: a program answers, one process for each query."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import structs

from skep import values
from skep.errors import BadValue, ConfigError, LimitExceeded, SpawnError
from skep.flow.process_limits import NO_LIMITS, ProcessLimits
from skep.limits import DEFAULT_LIMITS, Limits
from skep.strategy.answerers.base import MAX_ANSWER_BYTES, query_json, read_reply
from skep.strategy.queries import Answer, Error, Query, Reply
from skep.workers.process.child import Child, Exit
from skep.workers.process.command import Command as Start
from skep.workers.process.command import checked_argument, encoded
from skep.workers.process.ending import last_words, no_exit_code, too_much
from skep.workers.process.environment import check_names, chosen, handed_on
from skep.workers.process.launch import begin
from skep.workers.process.output import bounded


class Command:
    """Pipes each prompt through a program, whose stdout is the answer.

    The prompt is its stdin. Beside the allow-list that every program of skep's sees, its environment has
    `SKEP_QUERY_ID`, `SKEP_MAX_TOKENS` and, if there is one, `SKEP_SYSTEM`. With `json`, its stdin is the whole query
    as `query_json` tells it, and it prints an answer as `read_reply` reads it.

    Any exit code but 0, too much output, text that is no UTF-8 and a timeout are an `Error` each, which the strategy
    may catch. When the program has ended, or nobody waits for its answer any more, its whole tree ends.

    Args:
        argv: the program and its arguments; no shell reads them.
        json: see above.
        timeout: seconds for each query, counted from the start of its program.
        limits: of each program; an answer is bounded by `MAX_ANSWER_BYTES` in any case.
        concurrency: programs at the same time; other queries wait for their turn.
        env: variables to set; `None` hands the host's value on.
        cwd: where it runs; default: here.
        host_limits: `kill_grace`, `process_stderr_tail` and their kin.

    Raises:
        ConfigError: one of these cannot be used. `SpawnError` when it is asked and the program cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        json: bool = False,
        timeout: float = 600.0,
        limits: ProcessLimits = NO_LIMITS,
        concurrency: int = 4,
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        host_limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        if isinstance(argv, str) or not argv or not argv[0] or any("\0" in text for text in argv):
            raise ConfigError("a command is a list of texts without NUL, the program first", where=str(argv))
        if timeout <= 0 or concurrency < 1:
            raise ConfigError("timeout and concurrency are more than 0", where=argv[0])
        check_names(env or {})
        self._argv = list(argv)
        self._json = json
        self._timeout = timeout
        self._own = limits
        self._turns = asyncio.Semaphore(concurrency)
        self._env = dict(env or {})
        self._cwd = str(Path(cwd or ".").absolute())
        most = min(host_limits.process_output_bytes, MAX_ANSWER_BYTES)
        self._limits = bounded(structs.replace(host_limits, process_output_bytes=most), limits)

    async def __call__(self, query: Query) -> Reply:
        env = handed_on() | chosen(self._env, self._argv[0])
        try:
            start = Start(self._argv, env | self._variables(query), self._cwd, self._stdin(query))
        except SpawnError as error:
            return Error(str(error))
        async with self._turns:
            return await self._ask(start)

    async def _ask(self, start: Start) -> Reply:
        said = _Said(self._limits.process_output_bytes)
        child, tree = await begin(lambda _: start, said, self._limits, self._own)
        said.child = child
        late = asyncio.Event()

        def stop() -> None:
            late.set()
            child.terminate(self._limits.kill_grace)

        timer = asyncio.get_running_loop().call_later(self._timeout, stop)
        try:
            end = await child.ended
            await tree.close()
        finally:
            timer.cancel()
            child.destroy()
        if late.is_set():
            return Error(f"{self._argv[0]} did not answer within {self._timeout:g} s{last_words(end)}")
        return self._read(said, end)

    def _read(self, said: _Said, end: Exit) -> Reply:
        program = self._argv[0]
        if said.too_much:
            return Error(str(too_much(program, self._limits.process_output_bytes)))
        gone = no_exit_code(end, program)
        if gone is not None:
            return Error(str(gone))
        if end.code:
            return Error(f"{program} ended with exit code {end.code}{last_words(end)}")
        try:
            if self._json:
                return read_reply(values.decode_untrusted(said.data), where=program)
            return Answer(said.data.decode().rstrip())
        except UnicodeDecodeError:
            return Error(f"the answer of {program} is not UTF-8")
        except (BadValue, LimitExceeded) as error:
            return Error(str(error))

    def _stdin(self, query: Query) -> bytes:
        return values.canonical(query_json(query)) if self._json else encoded(query.prompt)

    def _variables(self, query: Query) -> dict[str, str]:
        told = {"SKEP_QUERY_ID": query.id, "SKEP_MAX_TOKENS": str(query.max_tokens)}
        if query.system is not None and not self._json:
            told["SKEP_SYSTEM"] = query.system
        for name, text in told.items():
            checked_argument(f"{name}={text}", f"the query's {name}", "take the JSON form")
        return told


class _Said:
    """What a program prints; one that prints too much is killed."""

    def __init__(self, most: int) -> None:
        self.child: Child | None = None
        self._chunks: list[bytes] = []
        self._left = most

    @property
    def too_much(self) -> bool:
        return self._left < 0

    @property
    def data(self) -> bytes:
        return b"".join(self._chunks)

    def take(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if not self.too_much:
            self._chunks.append(chunk)
        elif self.child is not None:
            self._chunks.clear()
            self.child.kill()
