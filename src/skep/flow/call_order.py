"""In which order a spawn passes the layers around an agent: what `skep lint --explain` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from skep.flow.agents import AgentDef
from skep.flow.audits import audits_of
from skep.flow.blueprint import Blueprint
from skep.flow.catalog import Catalog
from skep.flow.context import declares_context
from skep.flow.nodes import Step
from skep.flow.walk import walk

ALIAS = "project_name_alias"
REGISTERED = "registered"
"""Stands for the kind of an agent that the Blueprint does not declare."""


class LayerCall(Struct, frozen=True):
    """One layer that a spawn passes."""

    key: str
    origin: Literal["alias", "hint", "base", "fields"]
    """Why it is there: `metadata.project_name_alias`, `spawner_hints.layers`, the host, or other fields."""
    what: str = ""
    options: dict[str, Any] = {}


class AgentCalls(Struct, frozen=True):
    """The layers around one agent, outermost first: the order of spawning, and the reverse of what follows a worker."""

    agent: str
    kind: str
    layers: tuple[LayerCall, ...]


def call_order(blueprint: Blueprint, catalog: Catalog) -> list[AgentCalls]:
    """For each agent, those that only steps name last. Hints that nobody provides are left out: lint names them."""
    calls = [LayerCall(info.key, "base", info.what) for info in catalog.base]
    for hint in blueprint.spawner_hints.layers:
        info = catalog.hint(hint.key)
        if info is not None:
            calls.append(LayerCall(hint.key, "hint", info.what, hint.options))
    if blueprint.metadata.project_name_alias is not None:
        calls.append(LayerCall(ALIAS, "alias", "says the project's name"))
    agents = [
        AgentCalls(agent.name, agent.kind, tuple(reversed([*_declared(agent, blueprint), *calls])))
        for agent in blueprint.agents
    ]
    named = dict.fromkeys(item.agent for item, _ in walk(blueprint.flow) if isinstance(item, Step))
    declared = {agent.name for agent in blueprint.agents}
    return agents + [
        AgentCalls(name, REGISTERED, tuple(reversed(calls))) for name in named if name not in declared
    ]


def _declared(agent: AgentDef, blueprint: Blueprint) -> Iterator[LayerCall]:
    if declares_context(agent, blueprint):
        yield LayerCall("agent_context", "fields", "tells an agent what the Blueprint declares for it")
    if audits_of(agent, blueprint):
        yield LayerCall("after_run_audit", "fields", "lets agents look at a step after it ran")
