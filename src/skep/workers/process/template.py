"""`TemplateSpawner`: a program described by a template of the Blueprint's `subprocesses`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from msgspec import structs

from skep.errors import SpawnError
from skep.flow.parts import SubprocessDef
from skep.flow.process_templates import PLACEHOLDER, used_in
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.base import Ctx, Worker
from skep.workers.process.command import Command, checked_argument, encoded
from skep.workers.process.environment import check_names, environment, pull_variables
from skep.workers.process.launch import launch, too_late
from skep.workers.process.mapped import MappedOutput
from skep.workers.process.output import Output, bounded
from skep.workers.process.place import program_and_cwd
from skep.workers.process.plain import PlainOutput
from skep.workers.process.spec import TemplateSpec
from skep.workers.process.streamed import StreamedOutput
from skep.workers.process.streams import StreamMode, decoder_of


class TemplateSpawner:
    """Fills a template's placeholders for each attempt and runs what comes out.

    They are filled once, so text that is filled in is never looked at again; each word of `argv` stays one word.
    Stdin is `stdin`, filled, else empty.

    Args:
        template: lint has checked its placeholders.
        model: what `{model}` stands for.
        tools: what `{tools_csv}` lists.
        pull, hide_handle, host_limits: as for `ProcessSpawner`.

    Raises:
        ConfigError: its environment cannot be set.
    """

    runs_ahead = False

    def __init__(
        self,
        template: SubprocessDef,
        *,
        model: str | None = None,
        tools: Sequence[str] | None = None,
        pull: bool = False,
        hide_handle: bool = False,
        host_limits: Limits | None = None,
    ) -> None:
        check_names(template.env)
        self.template = template
        self.pulls = pull
        self._hide_handle = hide_handle
        self._model = model
        self._tools = None if tools is None else ",".join(tools)
        self._limits = bounded(host_limits or DEFAULT_LIMITS, template.limits)
        self._needs_file = "system_file" in used_in(template)

    @classmethod
    def from_spec(cls, spec: TemplateSpec, host_limits: Limits | None = None) -> Self:
        """The spawner of an agent; what its spec says stands for what the template says."""
        template = spec.template
        template = structs.replace(
            template,
            timeout=spec.timeout or template.timeout,
            home=spec.home or template.home,
            limits=spec.limits or template.limits,
            stream_mode=spec.stream_mode or template.stream_mode,
        )
        return cls(
            template,
            model=spec.model,
            tools=spec.tools,
            pull=spec.pull,
            hide_handle=spec.hide_handle,
            host_limits=host_limits,
        )

    async def spawn(self, ctx: Ctx) -> Worker:
        """Start the program.

        Raises:
            SpawnError: it cannot be started, or there is nothing to fill a placeholder with.
        """
        template = self.template
        return too_late(ctx) or await launch(
            ctx,
            lambda scratch: self._command(ctx, scratch),
            self._output(ctx),
            self._limits,
            timeout=template.timeout,
            own_limits=template.limits,
        )

    def _command(self, ctx: Ctx, scratch: str) -> Command:
        template = self.template
        fill = self._filler(ctx, scratch if self._needs_file else None)
        program, cwd = program_and_cwd(
            ctx, template.argv[0], fill(template.cwd) if template.cwd is not None else None
        )
        argv = [program, *(checked_argument(fill(word), "an argument") for word in template.argv[1:])]
        own = {name: fill(text) if text is not None else None for name, text in template.env.items()}
        env = environment(ctx, own, private_home=template.home == "private")
        stdin = encoded(fill(template.stdin)) if template.stdin is not None else None
        handle = None
        if self.pulls:
            handle = ctx.channel.handle()
            env |= pull_variables(ctx, hide_handle=self._hide_handle)
        return Command(argv, env, cwd, stdin, handle)

    def _filler(self, ctx: Ctx, folder: str | None) -> Callable[[str], str]:
        values = {
            "system": ctx.system,
            "system_file": _written(ctx.system, folder),
            "prompt": ctx.prompt,
            "model": self._model,
            "tools_csv": self._tools,
            "work_dir": ctx.work_dir,
            "task_id": ctx.task_id,
            "attempt": str(ctx.attempt),
        }

        def fill(text: str) -> str:
            return PLACEHOLDER.sub(lambda match: value(match[1]), text)

        def value(name: str) -> str:
            found = values.get(name)
            if found is None:
                raise SpawnError(
                    f"template {self.template.name!r} uses {{{name}}}, and there is none",
                    where=f"agent {ctx.agent}",
                    fix="give the run or the agent one, or leave the placeholder out",
                )
            return found

        return fill

    def _output(self, ctx: Ctx) -> Output:
        template, program = self.template, self.template.argv[0]
        if template.stream_mode is not None:
            decoder = decoder_of(StreamMode(template.stream_mode), self._limits)
            return StreamedOutput(ctx, program, decoder, self._limits, template.limits.output_bytes)
        if template.output is not None:
            return MappedOutput(ctx, program, template.output, self._limits)
        return PlainOutput(ctx, program, self._limits)


def _written(system: str | None, folder: str | None) -> str | None:
    """The system prompt as a file in `folder`, which is this attempt's own."""
    if system is None or folder is None:
        return None
    path = Path(folder, "system.md")
    path.write_bytes(encoded(system))
    return str(path)
