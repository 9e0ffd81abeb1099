"""In which order a spawn passes the layers around an agent: what `skep lint --explain` says."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from skep.flow.blueprint import Blueprint
from skep.flow.catalog import Catalog

ALIAS = "project_name_alias"


class LayerCall(Struct, frozen=True):
    """One layer that a spawn passes."""

    key: str
    origin: Literal["alias", "hint", "base"]
    """Why it is there: `metadata.project_name_alias`, `spawner_hints.layers`, or the host."""
    what: str = ""
    options: dict[str, Any] = {}


class AgentCalls(Struct, frozen=True):
    """The layers around one agent, outermost first: the order of spawning, and the reverse of what follows a worker."""

    agent: str
    kind: str
    layers: tuple[LayerCall, ...]


def call_order(blueprint: Blueprint, catalog: Catalog) -> list[AgentCalls]:
    """For each agent that the Blueprint declares. Hints that nobody provides are left out: lint names them."""
    calls = [LayerCall(info.key, "base", info.what) for info in catalog.base]
    for hint in blueprint.spawner_hints.layers:
        info = catalog.hint(hint.key)
        if info is not None:
            calls.append(LayerCall(hint.key, "hint", info.what, hint.options))
    if blueprint.metadata.project_name_alias is not None:
        calls.append(LayerCall(ALIAS, "alias", "says the project's name"))
    layers = tuple(reversed(calls))
    return [AgentCalls(agent.name, agent.kind, layers) for agent in blueprint.agents]
