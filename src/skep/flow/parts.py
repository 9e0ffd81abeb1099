"""What stands in a Blueprint beside its agents and its flow; names and defaults are the published ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from skep.flow.agents import (
    AgentMeta,
    AgentProfile,
    LintLevel,
    Name,
    Runner,
    Seconds,
    doc,
)
from skep.flow.process_limits import NO_LIMITS, ProcessLimits

SCHEMA_VERSION = "0.1.0"

Semver = Annotated[
    str,
    Meta(pattern=r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$", max_length=100, examples=["1.2.0"]),
]
OperatorKind = Literal["main_ai", "automate", "composite"]


class Strategy(Struct, frozen=True, kw_only=True):
    """How strict compiling is."""

    strict_refs: Annotated[bool, doc("A step whose agent is unknown is an error.")] = True
    strict_kind: Annotated[
        bool, doc("An agent of an unknown kind is an error; otherwise it is left out.")
    ] = True
    strict_binding: Annotated[bool, doc("Every agent needs an attested runner.")] = False


class Hints(Struct, frozen=True, kw_only=True, rename={"everywhere": "global"}):
    """Free hints for worker kinds and layers."""

    per_agent: Annotated[dict[str, Any], doc("By agent name.")] = field(default_factory=dict)
    everywhere: Annotated[Any, doc("For all.")] = None


class LayerHint(Struct, frozen=True):
    """A layer by its key, and what it is told; a document has the key, or a mapping of it to the options."""

    key: str
    options: dict[str, Any] = {}


class SpawnerHints(Struct, frozen=True, kw_only=True):
    """Which layers wrap every worker."""

    layers: Annotated[
        tuple[LayerHint, ...], doc("Keys, or a key with its options; the last is outermost.")
    ] = ()


class Metadata(Struct, frozen=True, kw_only=True):
    """What is known about the Blueprint."""

    description: Annotated[str | None, doc("What it is for.")] = None
    origin: Annotated[dict[str, Any] | None, doc("Where it came from: kind inline, file or algo.")] = None
    tags: Annotated[tuple[str, ...], doc("Words to find it by.")] = ()
    version_label: Annotated[Semver | None, doc("Its author's own version.")] = None
    project_name_alias: Annotated[str | None, doc("The project's name in prompts.")] = None
    default_run_ttl_secs: Annotated[int | None, doc("Seconds until a run times out.")] = None
    strict_verdict_handling: Annotated[bool | None, doc("The older form of check_policy.")] = None
    lints: Annotated[dict[str, LintLevel], doc("Levels of single lints.")] = field(default_factory=dict)


class OperatorDef(Struct, frozen=True, kw_only=True):
    """A seat for a person or program that does work."""

    name: Annotated[Name, doc("What spec.operator_ref refers to.")]
    display_name: Annotated[str | None, doc("Its name for people.")] = None
    kind: Annotated[OperatorKind | None, doc("Who decides.")] = None
    spec: Annotated[Any, doc("What its backend needs.")] = None
    profile: Annotated[AgentProfile | None, doc("Its prompt.")] = None
    meta: Annotated[AgentMeta | None, doc("Description and context.")] = None


class MetaDef(Struct, frozen=True, kw_only=True):
    """A named context payload."""

    name: Annotated[Name, doc("What meta_ref refers to.")]
    ctx: Annotated[dict[str, Any], doc("The payload.")] = field(default_factory=dict)


class ProjectionPlacement(Struct, frozen=True, kw_only=True):
    """Where output files go."""

    root: Annotated[Literal["work_dir", "project_root"], doc("Below which folder.")] = "work_dir"
    dir_template: Annotated[str, doc("A relative path with {task_id}.")] = "workspace/tasks/{task_id}/ctx"


class Audit(Struct, frozen=True, kw_only=True):
    """An agent that looks at steps after they ran."""

    agent: Annotated[Name, doc("Who looks.")]
    steps: Annotated[tuple[str, ...] | None, doc('At which steps; absent or "*" means all, [] none.')] = None
    mode: Annotated[Literal["async", "sync"], doc("Whether the flow waits for it.")] = "async"


class NamedRunner(Struct, frozen=True, kw_only=True):
    """A runner that agents refer to."""

    name: Annotated[Name, doc("What runner_ref refers to.")]
    runner: Annotated[Runner, doc("What runs the agent.")]


class ProcessStats(Struct, frozen=True, kw_only=True):
    """Where a program reports what it used, as JSON pointers."""

    usage_ptr: Annotated[str | None, doc("Tokens used.")] = None
    model_ptr: Annotated[str | None, doc("The model.")] = None
    num_turns_ptr: Annotated[str | None, doc("Turns taken.")] = None


class ProcessOutput(Struct, frozen=True, kw_only=True):
    """How a program's output is read."""

    format: Annotated[Literal["json"] | None, doc("The format of stdout.")] = None
    result_ptr: Annotated[str | None, doc("JSON pointer to the result.")] = None
    ok_from: Annotated[Any, doc("exit_code, or a JSON pointer to a boolean.")] = None
    stats: Annotated[ProcessStats | None, doc("Where it reports what it used.")] = None


class SubprocessDef(Struct, frozen=True, kw_only=True):
    """A command line template."""

    name: Annotated[Name, doc("What a runner's template refers to.")]
    argv: Annotated[tuple[str, ...], doc("Program and arguments, with placeholders such as {prompt}.")]
    stdin: Annotated[str | None, doc("What is written to it.")] = None
    env: Annotated[
        dict[str, str | None], doc("Added to its environment; null hands the host's value on.")
    ] = field(default_factory=dict)
    cwd: Annotated[str | None, doc("Its working directory.")] = None
    output: Annotated[ProcessOutput | None, doc("How its output is read.")] = None
    stream_mode: Annotated[
        Literal["ndjson_lines", "sse_events", "length_prefixed"] | None,
        doc("Its output as events; not with output."),
    ] = None
    timeout: Annotated[Seconds | None, doc("Seconds until it is ended and the attempt failed.")] = None
    home: Annotated[Literal["private"] | None, doc("HOME is the attempt's scratch folder.")] = None
    limits: Annotated[ProcessLimits, doc("What it may use of the machine.")] = NO_LIMITS
