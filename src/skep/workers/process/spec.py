"""What a Blueprint says about a `subprocess` agent."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from skep.errors import ConfigError
from skep.flow.parts import SubprocessDef
from skep.flow.problems import Problem, inside
from skep.flow.process_limits import NO_LIMITS, ProcessLimits
from skep.flow.struct_reader import StructReader
from skep.values import type_of
from skep.workers.pool import PoolSize
from skep.workers.process.environment import check_names

Text = Annotated[str, Meta(pattern="^[^\0]*$", examples=["text without NUL"])]
Filled = Annotated[str, Meta(pattern="^[^\0]+$", examples=["ruff"], description="The program to run.")]
MOST_SECONDS = 30 * 86_400
Seconds = Annotated[float, Meta(gt=0, le=MOST_SECONDS)]

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})


class ProcessSpec(Struct, frozen=True, kw_only=True):
    """What an agent of this kind may say; see `ProcessSpawner` for what each means."""

    program: Filled
    args: tuple[Text, ...] = ()
    use_stdin: bool = True
    cwd: Text | None = None
    env: dict[str, Text | None] = {}
    timeout: Seconds | None = None
    """Seconds."""
    home: Literal["private"] | None = None
    """`private`: HOME is the attempt's scratch folder."""
    limits: ProcessLimits = NO_LIMITS
    stream_mode: Literal["ndjson_lines", "sse_events", "length_prefixed"] | None = None
    persistent: bool = False
    pool: PoolSize = PoolSize()
    pull: bool = False
    """It gets its attempt's handle."""
    hide_handle: bool = False
    """By `SKEP_HANDLE_FD` only."""


class TemplateSpec(Struct, frozen=True, kw_only=True):
    """What stands for an agent that is run by a template (`process_templates.template_spec`)."""

    template: SubprocessDef
    model: str | None = None
    tools: tuple[str, ...] | None = None
    timeout: Seconds | None = None
    """Seconds. This and what follows stand for what the template says of it."""
    home: Literal["private"] | None = None
    limits: ProcessLimits | None = None
    stream_mode: Literal["ndjson_lines", "sse_events", "length_prefixed"] | None = None
    pull: bool = False
    hide_handle: bool = False


def check_subprocess_spec(spec: Any, place: str) -> list[Problem]:
    """Everything wrong with a `subprocess` agent's spec.

    >>> [str(problem) for problem in check_subprocess_spec({"program": "ruff", "args": ["-q", 3]}, "spec")]
    ['spec.args[1]: E-FIELD-TYPE expected string, got number']
    """
    problems: list[Problem] = []
    if type_of(spec) is dict and "template" in spec:
        template = StructReader(problems).struct(TemplateSpec, spec, place)
        if template is not None and not problems:
            _check_env(template.template.env, inside(place, "template"), problems)
            _check_handle(template, place, problems)
            if template.stream_mode is not None and template.template.output is not None:
                message = "the template maps its output, which is read as a whole"
                problems.append(
                    Problem(inside(place, "stream_mode"), "E-FIELD-FORM", message, "leave it out")
                )
        return problems
    read = StructReader(problems).struct(ProcessSpec, spec if spec is not None else {}, place)
    if read is not None and not problems:
        _check_forms(read, place, problems)
    return problems


def _check_forms(read: ProcessSpec, place: str, problems: list[Problem]) -> None:
    """What the types cannot say."""
    _check_env(read.env, place, problems)
    _check_handle(read, place, problems)
    if read.persistent and not read.use_stdin:
        message = "a persistent program gets its prompts by stdin"
        problems.append(Problem(inside(place, "use_stdin"), "E-FIELD-FORM", message, "leave it out"))
    if read.persistent and read.stream_mode not in (None, "ndjson_lines"):
        message = "a persistent program speaks ndjson_lines"
        problems.append(Problem(inside(place, "stream_mode"), "E-FIELD-FORM", message, "leave it out"))
    if read.pool.min > read.pool.max:
        message = f"min {read.pool.min} is more than max {read.pool.max}"
        problems.append(Problem(inside(place, "pool"), "E-FIELD-RANGE", message, "raise max"))
    if not read.use_stdin and not _takes_no_options(read):
        message = "a prompt that begins with - would be read as an option"
        fix = 'end args with "--" if the program knows it, or use stdin'
        problems.append(Problem(inside(place, "args"), "W-PROMPT-DASH", message, fix, "warning"))


def _check_handle(read: ProcessSpec | TemplateSpec, place: str, problems: list[Problem]) -> None:
    if read.hide_handle and not read.pull:
        message = "without pull there is no handle"
        problems.append(Problem(inside(place, "hide_handle"), "E-FIELD-FORM", message, "say pull: true too"))


def _takes_no_options(read: ProcessSpec) -> bool:
    """Whether what follows `args` is surely no option: after `--`, and after the command of `sh -c`."""
    return "--" in read.args or (PurePath(read.program).name in _SHELLS and "-c" in read.args)


def _check_env(env: Any, place: str, problems: list[Problem]) -> None:
    try:
        check_names(env)
    except ConfigError as error:
        problems.append(Problem(inside(place, "env"), "E-FIELD-FORM", error.what, error.fix))
