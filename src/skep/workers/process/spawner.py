"""`ProcessSpawner`: any program as a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import msgspec
from msgspec import Struct, structs

from skep.errors import BlueprintError, ConfigError
from skep.flow.process_limits import NO_LIMITS, ProcessLimits
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.base import Ctx, Worker
from skep.workers.pool import PooledSpawner, PoolSize
from skep.workers.process.command import Command, checked_argument, encoded
from skep.workers.process.environment import check_names, environment, pull_variables, without_attempt
from skep.workers.process.launch import launch, too_late
from skep.workers.process.output import Output, bounded
from skep.workers.process.persistent import PersistentProcess
from skep.workers.process.place import program_and_cwd
from skep.workers.process.plain import PlainOutput
from skep.workers.process.spec import MOST_SECONDS, ProcessSpec, check_subprocess_spec
from skep.workers.process.streamed import StreamedOutput
from skep.workers.process.streams import StreamMode, decoder_of


class _Settings(Struct, frozen=True, kw_only=True):
    program: str
    args: tuple[str, ...]
    use_stdin: bool
    stream_mode: StreamMode | None
    cwd: str | None
    env: dict[str, str | None]
    home: Literal["private"] | None
    timeout: float | None
    limits: ProcessLimits
    persistent: bool
    pool: PoolSize
    pull: bool
    hide_handle: bool
    host_limits: Limits


class ProcessSpawner:
    """Runs a program for each attempt: the prompt is its stdin, its stdout the result.

    Each has a scratch folder (`SKEP_SCRATCH`) and a tree of its own: cancelling means SIGTERM to everything that
    it started and, after the grace, SIGKILL; whatever is left when the program has ended is killed too.

    Args:
        program: a name on PATH or a path; a relative path begins in the Blueprint's folder, else in `cwd`.
        args: text without NUL.
        use_stdin: `False`: the prompt is the last argument, and stdin is empty.
        stream_mode: its stdout as output events while it runs, see `StreamedOutput`; without one stdout is read
            when it has ended, see `PlainOutput`.
        cwd: a relative one begins in the Blueprint's folder. Default: the run's `work_dir`, else that folder.
        env: variables to set; `None` hands the host's value on. Beside them the child sees only the
            allow-list of `environment` and its attempt (`SKEP_*`).
        home: `private`: HOME is the attempt's scratch folder, without the logins that lie in the real one.
        timeout: seconds until it is ended as if cancelled, and the attempt failed.
        limits: memory, CPU seconds and open files that each of its processes may use (Linux), and bytes of stdout.
        persistent: one program serves many attempts, see `PersistentProcess`.
        pool: how many of them there are.
        pull: the program acts for its attempt: it gets the attempt's handle, as text from the descriptor whose number
            is in `SKEP_HANDLE_FD` and in `SKEP_HANDLE`, and the server's address in `SKEP_URL` if there is a
            server. A persistent one gets the handle with each request. A result that it submits stands,
            whatever it prints.
        hide_handle: no `SKEP_HANDLE`, which others of this user may read.
        host_limits: `process_stderr_tail` and its kin.

    The forms below each return a changed copy:

    >>> ProcessSpawner.cmd("claude").arg("--print").args("--verbose", "--output-format=stream-json").ndjson()
    ProcessSpawner('claude', ('--print', '--verbose', '--output-format=stream-json'), NDJSON_LINES)

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
        limits: ProcessLimits | None = None,
        persistent: bool = False,
        pool: PoolSize | None = None,
        pull: bool = False,
        hide_handle: bool = False,
        host_limits: Limits | None = None,
    ) -> None:
        if isinstance(args, str) or any("\0" in text for text in (program, *args)) or not program:
            raise ConfigError(
                "program and args are a list of texts without NUL", where=f"program {program!r}"
            )
        if timeout is not None and not 0 < timeout <= MOST_SECONDS:
            raise ConfigError(
                f"timeout is {timeout} and not between 0 and {MOST_SECONDS:,} seconds",
                where=f"program {program!r}",
            )
        check_names(env or {})
        if persistent and (not use_stdin or stream_mode not in (None, StreamMode.NDJSON_LINES)):
            raise ConfigError(
                "a persistent program gets its prompts by stdin and answers in NDJSON",
                where=f"program {program!r}",
            )
        self._settings = _Settings(
            program=program,
            args=tuple(args),
            use_stdin=use_stdin,
            stream_mode=stream_mode,
            cwd=cwd,
            env=dict(env or {}),
            home=home,
            timeout=timeout,
            limits=limits or NO_LIMITS,
            persistent=persistent,
            pool=pool or PoolSize(),
            pull=pull,
            hide_handle=hide_handle,
            host_limits=bounded(host_limits or DEFAULT_LIMITS, limits or NO_LIMITS),
        )
        self._pooled = self._pool() if persistent else None

    @classmethod
    def from_spec(cls, spec: Any, host_limits: Limits | None = None) -> Self:
        """The spawner that an agent's `spec` describes.

        Raises:
            BlueprintError: with everything that is wrong with it in `problems`.
        """
        problems = tuple(
            problem for problem in check_subprocess_spec(spec, "spec") if problem.severity == "error"
        )
        if problems:
            raise BlueprintError(str(problems[0]), problems=problems)
        options: dict[str, Any] = structs.asdict(msgspec.convert(spec, ProcessSpec))
        if options["stream_mode"] is not None:
            options["stream_mode"] = StreamMode(options["stream_mode"])
        return cls(**options, host_limits=host_limits)

    @classmethod
    def run(cls, line: str) -> Self:
        """A line for the shell: `sh -c line`. Its prompt comes by stdin, never as part of the line."""
        return cls("sh", ("-c", line))

    @classmethod
    def cmd(cls, program: str) -> Self:
        """A program, yet without arguments."""
        return cls(program)

    def arg(self, text: str) -> Self:
        """One more argument."""
        return self._with(args=(*self._settings.args, text))

    def args(self, *texts: str) -> Self:
        """More arguments."""
        return self._with(args=(*self._settings.args, *texts))

    def use_stdin(self, value: bool = True) -> Self:
        """Whether the prompt comes by stdin, or as the last argument."""
        return self._with(use_stdin=value)

    def stream_mode(self, mode: StreamMode | None) -> Self:
        """How stdout is read."""
        return self._with(stream_mode=mode)

    def plain(self) -> Self:
        """Read stdout when the program has ended."""
        return self.stream_mode(None)

    def ndjson(self, v: bool = True) -> Self:
        """Read stdout as one output event a line; `False` is `plain`."""
        return self.stream_mode(StreamMode.NDJSON_LINES if v else None)

    @property
    def program(self) -> str:
        return self._settings.program

    @property
    def pulls(self) -> bool:
        """See `Spawner`."""
        return self._settings.pull

    async def spawn(self, ctx: Ctx) -> Worker:
        """Start the program.

        Raises:
            SpawnError: it cannot be started, or its arguments cannot carry the prompt.
        """
        if self._pooled is not None:
            return await self._pooled.spawn(ctx)
        settings = self._settings
        return too_late(ctx) or await launch(
            ctx,
            lambda _: self._command(ctx),
            self._output(ctx),
            settings.host_limits,
            timeout=settings.timeout,
            own_limits=settings.limits,
        )

    async def close(self) -> None:
        """End the persistent programs that are idle."""
        if self._pooled is not None:
            await self._pooled.close()

    def __repr__(self) -> str:
        mode = f", {self._settings.stream_mode.name}" if self._settings.stream_mode is not None else ""
        return f"{type(self).__name__}({self.program!r}, {self._settings.args!r}{mode})"

    def _with(self, **changes: Any) -> Self:
        return type(self)(**structs.asdict(structs.replace(self._settings, **changes)))

    def _output(self, ctx: Ctx) -> Output:
        settings, limits = self._settings, self._settings.host_limits
        if settings.stream_mode is None:
            return PlainOutput(ctx, self.program, limits)
        decoder = decoder_of(settings.stream_mode, limits)
        return StreamedOutput(ctx, self.program, decoder, limits, settings.limits.output_bytes)

    def _command(self, ctx: Ctx) -> Command:
        settings = self._settings
        program, cwd = program_and_cwd(ctx, settings.program, settings.cwd)
        stdin = encoded(ctx.prompt) if settings.use_stdin else None
        prompt = (
            () if settings.use_stdin else (checked_argument(ctx.prompt, "the prompt", "use_stdin: true"),)
        )
        env = environment(ctx, settings.env, private_home=settings.home == "private")
        handle = None
        if settings.pull:
            handle = ctx.channel.handle()
            env |= pull_variables(ctx, hide_handle=settings.hide_handle)
        return Command([program, *settings.args, *prompt], env, cwd, stdin, handle)

    # -- persistent ----------------------------------------------------------------------------

    def _pool(self) -> PooledSpawner:
        settings = self._settings

        async def make(ctx: Ctx) -> PersistentProcess:
            return await PersistentProcess.start(
                self._lasting(ctx),
                settings.limits,
                settings.host_limits,
                settings.timeout,
                pull=settings.pull,
            )

        return PooledSpawner(
            make, settings.pool, runs_ahead=False, key=self._key, limits=settings.host_limits
        )

    def _key(self, ctx: Ctx) -> tuple[str, ...]:
        """A program may serve another attempt that would start the very same one."""
        command = self._lasting(ctx)
        return (
            *command.argv,
            "",
            command.cwd,
            *(f"{name}={command.env[name]}" for name in sorted(command.env)),
        )

    def _lasting(self, ctx: Ctx) -> Command:
        """The command of a program that outlives the attempt."""
        settings = self._settings
        program, cwd = program_and_cwd(ctx, settings.program, settings.cwd)
        private = settings.home == "private"
        env = environment(ctx, settings.env, private_home=private)
        if settings.pull:
            env |= pull_variables(ctx, hide_handle=True)
        env = without_attempt(env)
        return Command([program, *settings.args], env, cwd, b"")
