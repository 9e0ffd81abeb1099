"""What a Blueprint says about a `subprocess` agent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from skep.errors import ConfigError
from skep.flow.problems import Problem, inside
from skep.flow.struct_reader import StructReader
from skep.workers.process.environment import check_names

Text = Annotated[str, Meta(pattern="^[^\0]*$", examples=["text without NUL"])]
Filled = Annotated[str, Meta(pattern="^[^\0]+$", examples=["ruff"], description="The program to run.")]


class ProcessSpec(Struct, frozen=True, kw_only=True):
    """What an agent of this kind may say; see `ProcessSpawner` for what each means."""

    program: Filled
    args: tuple[Text, ...] = ()
    use_stdin: bool = True
    cwd: Text | None = None
    env: dict[str, Text | None] = {}
    timeout: Annotated[float, Meta(gt=0, le=30 * 86_400)] | None = None
    """Seconds."""
    stream_mode: Literal["ndjson_lines", "sse_events", "length_prefixed"] | None = None


def check_subprocess_spec(spec: Any, place: str) -> list[Problem]:
    """Everything wrong with a `subprocess` agent's spec.

    >>> [str(problem) for problem in check_subprocess_spec({"program": "ruff", "args": ["-q", 3]}, "spec")]
    ['spec.args[1]: E-FIELD-TYPE expected string, got number']
    """
    problems: list[Problem] = []
    read = StructReader(problems).struct(ProcessSpec, spec if spec is not None else {}, place)
    if read is None or problems:
        return problems
    try:
        check_names(read.env)
    except ConfigError as error:
        problems.append(Problem(inside(place, "env"), "E-FIELD-FORM", error.what, error.fix))
    return problems
