"""What a Blueprint tells its agents beside their input: payloads in three tiers, and a policy of what is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from skep.flow.agents import AgentDef, AgentMeta, ContextPolicy
from skep.flow.blueprint import Blueprint
from skep.flow.problems import Problem, did_you_mean, inside

_NOTHING = AgentMeta()
_ALL = ContextPolicy()


def declares_context(agent: AgentDef, blueprint: Blueprint) -> bool:
    """Whether anything is said for this agent."""
    return bool(declared_context(agent, blueprint)) or policy_of(agent, blueprint) != _ALL


def declared_context(agent: AgentDef, blueprint: Blueprint) -> dict[str, Any]:
    """`default_agent_ctx`, over it the payload that `meta_ref` names, over both `meta.ctx`: by key, nearest wins."""
    meta = agent.meta or _NOTHING
    named = {shared.name: shared.ctx for shared in blueprint.metas}
    return {
        **(blueprint.default_agent_ctx or {}),
        **named.get(meta.meta_ref or "", {}),
        **(meta.ctx or {}),
    }


def policy_of(agent: AgentDef, blueprint: Blueprint) -> ContextPolicy:
    """The agent's own, else the Blueprint's, else everything."""
    own = agent.meta.context_policy if agent.meta is not None else None
    return own or blueprint.default_context_policy or _ALL


def seen(fields: Mapping[str, Any], policy: ContextPolicy) -> dict[str, Any]:
    """The fields that a policy lets through; exclusion wins.

    >>> seen({"a": 1, "b": 2, "c": 3}, ContextPolicy(include=("a", "b"), exclude=("b",)))
    {'a': 1}
    """
    return {
        name: value
        for name, value in fields.items()
        if (policy.include is None or name in policy.include) and name not in policy.exclude
    }


def lint_context(blueprint: Blueprint) -> Iterator[Problem]:
    """Payloads that nothing declares."""
    names = [shared.name for shared in blueprint.metas]
    for number, agent in enumerate(blueprint.agents):
        name = agent.meta.meta_ref if agent.meta is not None else None
        if name is not None and name not in names:
            place = inside(inside(inside("agents", number), "meta"), "meta_ref")
            fix = did_you_mean(name[:60], names) or "declare it under metas"
            yield Problem(place, "E-META-REF", f"no payload is named {name[:60]!r}", fix)
