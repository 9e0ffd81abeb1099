"""The Blueprint: who works, what runs, and what surrounds it; and reading it from a document.

The canonical form and the version are `version.py`; whether a Blueprint that reads well can run is `lint.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Struct

from skep.core.retry import RetryPolicy
from skep.flow.agents import AgentDef, ContextPolicy, Name, doc
from skep.flow.document import plain_copy
from skep.flow.nodes import Node
from skep.flow.parts import (
    Audit,
    Hints,
    LayerHint,
    Metadata,
    MetaDef,
    NamedRunner,
    OperatorDef,
    OperatorKind,
    ProjectionPlacement,
    Semver,
    SpawnerHints,
    Strategy,
    SubprocessDef,
)
from skep.flow.problems import Problem, as_error, inside
from skep.flow.read import read_flow, read_retry
from skep.flow.read_agents import read_agents
from skep.flow.read_layers import read_layer
from skep.flow.struct_reader import StructReader
from skep.limits import DEFAULT_LIMITS, Limits
from skep.values import type_name, type_of

SCHEMA_VERSION = "0.1.0"
_ORIGINS = ("inline", "file", "algo")


class Blueprint(Struct, frozen=True, kw_only=True):
    """A document that can be run."""

    schema_version: Annotated[Semver, doc("The schema that it is written for.")] = SCHEMA_VERSION
    id: Annotated[Name, doc("Its name, the same for all its versions.")]
    flow: Annotated[Node, doc("What runs.")]
    agents: Annotated[tuple[AgentDef, ...], doc("Who works: a list, or an object by name.")] = ()
    operators: Annotated[tuple[OperatorDef, ...], doc("Declared seats.")] = ()
    metas: Annotated[tuple[MetaDef, ...], doc("Named context payloads.")] = ()
    hints: Annotated[Hints, doc("Free hints for worker kinds and layers.")] = Hints()
    strategy: Annotated[Strategy, doc("How strict compiling is.")] = Strategy()
    metadata: Annotated[Metadata, doc("What is known about it.")] = Metadata()
    spawner_hints: Annotated[SpawnerHints, doc("Which layers wrap its workers.")] = SpawnerHints()
    default_agent_kind: Annotated[Name, doc("The kind of agents that name none.")] = "operator"
    default_operator_kind: Annotated[OperatorKind | None, doc("Who decides where nobody says so.")] = None
    default_init_ctx: Annotated[Any, doc("The first ctx of a run; its input is laid over it.")] = None
    default_agent_ctx: Annotated[dict[str, Any] | None, doc("Context for every agent.")] = None
    default_context_policy: Annotated[ContextPolicy | None, doc("What agents see of the context.")] = None
    projection_placement: Annotated[ProjectionPlacement, doc("Where output files go.")] = (
        ProjectionPlacement()
    )
    audits: Annotated[tuple[Audit, ...], doc("Who looks at steps after they ran.")] = ()
    degradation_policy: Annotated[Literal["warn", "fail"] | None, doc("What a degraded run is.")] = None
    runners: Annotated[tuple[NamedRunner, ...], doc("Runners by name.")] = ()
    default_runner: Annotated[str | None, doc("The runner of agents that name none.")] = None
    subprocesses: Annotated[tuple[SubprocessDef, ...], doc("Command line templates.")] = ()
    check_policy: Annotated[Literal["silent", "warn", "strict"] | None, doc("What failed checks do.")] = None
    blueprint_ref_includes: Annotated[tuple[str, ...], doc("Folders for $file and $agent_md.")] = ()


def parse_blueprint(document: Any, limits: Limits = DEFAULT_LIMITS, *, where: str | None = None) -> Blueprint:
    """A Blueprint from its document: the canonical JSON or any form that people write.

    >>> step = {"step": "greet", "in": "$.name", "out": "$.greeting"}
    >>> parse_blueprint({"id": "hello", "agents": {"greet": "hello:greet"}, "flow": step}).agents[0].kind
    'python'

    Raises:
        BlueprintError: with every problem of its shape; whether it can run is for `lint`.
        LimitExceeded: the document is too large or too deep.
    """
    problems: list[Problem] = []
    blueprint = read_blueprint(plain_copy(document, limits, where=where or "document"), problems, limits)
    if blueprint is None:
        raise as_error(problems, where)
    return blueprint


def read_blueprint(
    document: Any, problems: list[Problem], limits: Limits = DEFAULT_LIMITS
) -> Blueprint | None:
    """Read a plain document; `None` when it has errors, which are then appended to `problems`."""
    if type_of(document) is not dict:
        message = f"expected a Blueprint, got {type_name(document)}"
        problems.append(Problem("", "E-FIELD-TYPE", message, "write an object with id, agents and flow"))
        return None
    default = document.get("default_agent_kind")
    reader = StructReader(
        problems,
        {
            Node: lambda reader, doc, place: read_flow(doc, reader.problems, place, limits),
            RetryPolicy: lambda reader, doc, place: read_retry(doc, reader.problems, place, limits),
            LayerHint: read_layer,
            tuple[AgentDef, ...]: lambda reader, doc, place: read_agents(reader, doc, place, default),
        },
    )
    before = len(problems)
    blueprint = reader.struct(Blueprint, document, "")
    if blueprint is not None:
        _check_forms(blueprint, problems)
    return blueprint if len(problems) == before else None


def _check_forms(blueprint: Blueprint, problems: list[Problem]) -> None:
    """What the types cannot say."""
    if not blueprint.schema_version.startswith("0."):
        message = f"schema_version {blueprint.schema_version} is newer than {SCHEMA_VERSION}"
        problems.append(Problem("schema_version", "E-SCHEMA-VERSION", message, "upgrade skep"))
    template = blueprint.projection_placement.dir_template
    if "{task_id}" not in template or template.startswith("/") or ".." in template.split("/"):
        message, fix = "not a relative path with {task_id}", "write it like workspace/{task_id}"
        problems.append(Problem("projection_placement.dir_template", "E-FIELD-FORM", message, fix))
    origin = blueprint.metadata.origin
    if origin is not None and origin.get("kind") not in _ORIGINS:
        problems.append(
            Problem(
                "metadata.origin.kind",
                "E-FIELD-CHOICE",
                "unknown kind of origin",
                f"known: {', '.join(_ORIGINS)}",
            )
        )
    for number, process in enumerate(blueprint.subprocesses):
        if process.output is not None and process.stream_mode is not None:
            place = inside(inside("subprocesses", number), "stream_mode")
            problems.append(
                Problem(place, "E-FIELD-FORM", "stream_mode and output exclude each other", "drop one")
            )
