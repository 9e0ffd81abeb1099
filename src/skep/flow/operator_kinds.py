"""The Blueprint's tiers of the operator cascade: what it says of who decides for its agents."""

from __future__ import annotations

from typing import Any, cast

from msgspec import structs

from skep.flow.agents import AgentDef
from skep.flow.blueprint import Blueprint
from skep.flow.parts import OperatorKind
from skep.flow.process_templates import template_spec
from skep.values import type_of


def blueprint_kinds(blueprint: Blueprint) -> tuple[dict[str, OperatorKind], OperatorKind | None]:
    """Kinds by agent, and the one of all others.

    An agent's is that of the operator that its `spec.operator_ref` names, whatever kind of worker it is.
    """
    kinds: dict[Any, OperatorKind | None] = {named.name: named.kind for named in blueprint.operators}
    found: dict[str, OperatorKind] = {}
    for agent in blueprint.agents if kinds else ():
        name = (
            cast("dict[str, Any]", agent.spec).get("operator_ref") if isinstance(agent.spec, dict) else None
        )
        kind = kinds.get(name) if isinstance(name, str) else None
        if kind is not None:
            found[agent.name] = kind
    return found, blueprint.default_operator_kind


def kind_spec(agent: AgentDef, kind: str, blueprint: Blueprint | None = None) -> Any:
    """What an agent's kind is to see of its `spec`; of one that is run by a template of the Blueprint, that.

    `operator_ref` says who decides for the agent, whatever its kind; only to the kind `operator` it says who works.
    """
    if blueprint is not None and (spec := template_spec(agent, blueprint)) is not None:
        agent = structs.replace(agent, spec=spec)
    if kind == "operator" or type_of(agent.spec) is not dict or "operator_ref" not in agent.spec:
        return agent.spec
    return {key: value for key, value in agent.spec.items() if key != "operator_ref"} or None
