"""`ProcessSpawner`: any program as a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from skep.errors import BlueprintError, ConfigError
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.base import Ctx, Worker
from skep.workers.process.command import Command, checked_argument, encoded
from skep.workers.process.environment import check_names, environment
from skep.workers.process.launch import launch, too_late
from skep.workers.process.output import Output
from skep.workers.process.place import program_and_cwd
from skep.workers.process.plain import PlainOutput
from skep.workers.process.resources import NO_LIMITS, Resources
from skep.workers.process.spec import ProcessSpec, check_subprocess_spec
from skep.workers.process.streamed import StreamedOutput
from skep.workers.process.streams import StreamMode, decoder_of


class ProcessSpawner:
    """Runs a program for each attempt: the prompt is its stdin, its stdout the result.

    Each has a scratch folder (`SKEP_SCRATCH`) and a tree of its own: cancelling means SIGTERM to everything that
    it started and, after the grace, SIGKILL; whatever is left when the program has ended is killed too.

    Args:
        program: a name on PATH or a path; a relative path begins in the Blueprint's folder, else in `cwd`.
        args: text without NUL.
        stream_mode: its stdout as output events while it runs, see `StreamedOutput`; without one stdout is read
            when it has ended, see `PlainOutput`.
        use_stdin: `False`: the prompt is the last argument, and stdin is empty.
        cwd: a relative one begins in the Blueprint's folder. Default: the run's `work_dir`, else that folder.
        env: variables to set; `None` hands the host's value on. Beside them the child sees only the
            allow-list of `environment` and its attempt (`SKEP_*`).
        home: `private`: HOME is the attempt's scratch folder, without the logins that lie in the real one.
        timeout: seconds until it is ended as if cancelled, and the attempt failed.
        resources: memory, CPU seconds and open files that each of its processes may use (Linux).
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
        home: Literal["private"] | None = None,
        timeout: float | None = None,
        resources: Resources = NO_LIMITS,
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
        self._private_home = home == "private"
        self._timeout = timeout
        self._resources = resources
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
            home=read.home,
            timeout=read.timeout,
            resources=read.resources,
            limits=limits,
        )

    async def spawn(self, ctx: Ctx) -> Worker:
        """Start the program.

        Raises:
            SpawnError: it cannot be started, or its arguments cannot carry the prompt.
        """
        late = too_late(ctx)
        if late is not None:
            return late
        return await launch(
            ctx,
            self._command(ctx),
            self._output(ctx),
            self._limits,
            timeout=self._timeout,
            resources=self._resources,
        )

    def _output(self, ctx: Ctx) -> Output:
        if self._stream_mode is None:
            return PlainOutput(ctx, self.program, self._limits)
        return StreamedOutput(ctx, self.program, decoder_of(self._stream_mode, self._limits), self._limits)

    def _command(self, ctx: Ctx) -> Command:
        program, cwd = program_and_cwd(ctx, self.program, self._cwd)
        last = () if self._use_stdin else (checked_argument(ctx.prompt, "the prompt"),)
        env = environment(ctx, self._env, private_home=self._private_home)
        stdin = encoded(ctx.prompt) if self._use_stdin else None
        return Command([program, *self._args, *last], env, cwd, stdin)
