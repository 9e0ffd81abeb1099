"""Published fields that this version reads, keeps and writes, but does not act on: said aloud (R-loud)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, structs

from skep.flow.agents import AgentDef, SubprocessRunner
from skep.flow.blueprint import Blueprint
from skep.flow.problems import Problem, inside
from skep.flow.process_templates import runner_of
from skep.flow.struct_reader import default_of

BLUEPRINT = (
    "hints",
    "projection_placement",
    "degradation_policy",
    "check_policy",
    "blueprint_ref_includes",
)
STRATEGY = ("strict_binding",)
METADATA = ("default_run_ttl_secs", "strict_verdict_handling", "lints")
OPERATOR = ("spec", "profile", "meta")
AGENT = ("verdict", "lints")
RUNNER = ("runner", "runner_ref")
META = ("projection_name",)
POLICY = ("steps", "steps_exclude")
PROFILE = ("effort", "worker_binding")
MODEL = ("model", "tools")


def blueprint_not_yet(blueprint: Blueprint) -> Iterator[Problem]:
    """A warning for each such field that is set, outside the agents."""
    yield from _set_fields(blueprint, BLUEPRINT, "")
    yield from _set_fields(blueprint.default_context_policy, POLICY, "default_context_policy")
    yield from _set_fields(blueprint.strategy, STRATEGY, "strategy")
    yield from _set_fields(blueprint.metadata, METADATA, "metadata")
    for number, named in enumerate(blueprint.runners):
        if not isinstance(named.runner, SubprocessRunner):
            place = inside(inside("runners", number), "runner")
            yield _warning(place, "this backend has no effect in this version", None)
    for number, operator in enumerate(blueprint.operators):
        yield from _set_fields(operator, OPERATOR, inside("operators", number))


def agent_not_yet(agent: AgentDef, place: str, blueprint: Blueprint) -> Iterator[Problem]:
    """The same for one agent."""
    yield from _set_fields(agent, AGENT, place)
    if runner_of(agent, blueprint) is None:
        yield from _set_fields(agent, RUNNER, place)
        yield from _set_fields(agent.profile, MODEL, inside(place, "profile"))
    yield from _set_fields(agent.meta, META, inside(place, "meta"))
    if agent.meta is not None:
        policy = inside(inside(place, "meta"), "context_policy")
        yield from _set_fields(agent.meta.context_policy, POLICY, policy)
    yield from _set_fields(agent.profile, PROFILE, inside(place, "profile"))
    if agent.interruption == "ask":
        field = "on_interrupt" if agent.on_interrupt else "side_effects"
        message = "asking what to do after a crash is not built yet"
        yield _warning(inside(place, field), message, "write on_interrupt: retry or fail")


def _set_fields(part: Struct | None, names: tuple[str, ...], place: str) -> Iterator[Problem]:
    if part is None:
        return
    fields = {field.name: field for field in structs.fields(part)}
    for name in names:
        value: Any = getattr(part, name)
        if value != default_of(fields[name]):
            yield _warning(
                inside(place, fields[name].encode_name), f"{name} has no effect in this version", None
            )


def _warning(place: str, message: str, fix: str | None) -> Problem:
    return Problem(place, "W-NOT-YET", message, fix, severity="warning")
