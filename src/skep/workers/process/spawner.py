"""`ProcessSpawner`: any program as a worker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from skep.errors import BlueprintError, ConfigError, SpawnError, WorkerCancelled
from skep.ids import WORKER, new_id
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.base import Completion, Ctx, JoinHandler, Worker
from skep.workers.process.attend import Attendant
from skep.workers.process.child import Child
from skep.workers.process.command import Command, as_argument, start
from skep.workers.process.environment import check_names, environment
from skep.workers.process.output import Output
from skep.workers.process.plain import PlainOutput
from skep.workers.process.spec import ProcessSpec, check_subprocess_spec
from skep.workers.process.streamed import StreamedOutput
from skep.workers.process.streams import StreamMode, decoder_of


class ProcessSpawner:
    """Runs a program for each attempt: the prompt is its stdin, its stdout the result.

    Each runs as leader of a process group of its own. Cancelling means SIGTERM to the group and, after the
    grace, SIGKILL; whatever is left of the group when the program has ended is killed too.

    Args:
        program: a name on PATH or a path; a relative path begins in the Blueprint's folder, else in `cwd`.
        args: text without NUL.
        stream_mode: its stdout as output events while it runs, see `StreamedOutput`; without one stdout is read
            when it has ended, see `PlainOutput`.
        use_stdin: `False`: the prompt is the last argument, and stdin is empty.
        cwd: a relative one begins in the Blueprint's folder. Default: the run's `work_dir`, else that folder.
        env: variables to set; `None` hands the host's value on. Beside them the child sees only the
            allow-list of `environment` and its attempt (`SKEP_*`).
        timeout: seconds until it is ended as if cancelled, and the attempt failed.
        limits: `process_output_bytes` and its kin.

    Raises:
        ConfigError: one of these cannot be used.
    """

    runs_ahead = False

    def __init__(
        self,
        program: str,
        args: Sequence[str] = (),
        *,
        use_stdin: bool = True,
        stream_mode: StreamMode | None = None,
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
        timeout: float | None = None,
        limits: Limits | None = None,
    ) -> None:
        if isinstance(args, str) or any("\0" in text for text in (program, *args)) or not program:
            raise ConfigError(
                "program and args are a list of texts without NUL", where=f"program {program!r}"
            )
        check_names(env or {})
        self.program = program
        self._args = tuple(args)
        self._use_stdin = use_stdin
        self._stream_mode = stream_mode
        self._cwd = cwd
        self._env = dict(env or {})
        self._timeout = timeout
        self._limits = limits or DEFAULT_LIMITS

    @classmethod
    def from_spec(cls, spec: Any, limits: Limits | None = None) -> ProcessSpawner:
        """The spawner that an agent's `spec` describes.

        Raises:
            BlueprintError: with everything that is wrong with it in `problems`.
        """
        problems = tuple(check_subprocess_spec(spec, "spec"))
        if problems:
            raise BlueprintError(str(problems[0]), problems=problems)
        read = msgspec.convert(spec, ProcessSpec)
        return cls(
            read.program,
            read.args,
            use_stdin=read.use_stdin,
            stream_mode=StreamMode(read.stream_mode) if read.stream_mode is not None else None,
            cwd=read.cwd,
            env=read.env,
            timeout=read.timeout,
            limits=limits,
        )

    async def spawn(self, ctx: Ctx) -> Worker:
        """Start the program.

        Raises:
            SpawnError: it cannot be started, or its arguments cannot carry the prompt.
        """
        if ctx.cancel_token.reason is not None:
            ended = Completion()
            ended.resolve(WorkerCancelled(f"cancelled before the start: {ctx.cancel_token.reason}"))
            return JoinHandler(new_id(WORKER), ctx.cancel_token, ended)
        command = self._command(ctx)
        output = self._output(ctx)
        child = Child(start(command), command.stdin, self._limits, output)
        attendant = Attendant(ctx, child, output, self.program, self._limits)
        attending = asyncio.get_running_loop().create_task(attendant.attend(self._timeout))
        attending.add_done_callback(lambda _: child.destroy())
        return JoinHandler(new_id(WORKER), ctx.cancel_token, attending)

    def _output(self, ctx: Ctx) -> Output:
        if self._stream_mode is None:
            return PlainOutput(ctx, self.program, self._limits)
        return StreamedOutput(ctx, self.program, decoder_of(self._stream_mode, self._limits), self._limits)

    def _command(self, ctx: Ctx) -> Command:
        home = ctx.blueprint_dir or ctx.work_dir or str(Path.cwd())
        cwd = ctx.work_dir or home if self._cwd is None else str(Path(home, self._cwd))
        program = self.program
        if os.sep in program:
            program = str(Path(ctx.blueprint_dir or cwd, program))
        try:
            data = ctx.prompt.encode()
        except UnicodeEncodeError as error:
            raise SpawnError("the prompt holds a lone surrogate, which UTF-8 cannot carry") from error
        argv = [program, *self._args, *(() if self._use_stdin else (as_argument(ctx.prompt),))]
        return Command(argv, environment(ctx, self._env), cwd, data if self._use_stdin else None)
