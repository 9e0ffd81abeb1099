"""Which agents look at which steps after they ran."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from skep.flow.agents import AgentDef
from skep.flow.blueprint import Blueprint
from skep.flow.parts import Audit
from skep.flow.problems import Problem, did_you_mean, inside

EVERY_STEP = "*"


def audits_of(agent: AgentDef, blueprint: Blueprint) -> tuple[Audit, ...]:
    """The audits that may look at steps of this agent, each for its own `steps`; auditors are not audited."""
    if any(audit.agent == agent.name for audit in blueprint.audits):
        return ()
    return tuple(audit for audit in blueprint.audits if audit.steps != ())


def looks_at(audit: Audit, agent: str, step_key: str | None) -> bool:
    """Whether the audit looks at a step: one of the flow, by the name of its agent or by its key."""
    if step_key is None:
        return False
    return audit.steps is None or bool({EVERY_STEP, agent, step_key}.intersection(audit.steps))


def lint_audits(blueprint: Blueprint, known: Collection[str] | None) -> Iterator[Problem]:
    """Auditors that are nobody; `known` are all agents, `None` when they are not known."""
    for number, audit in enumerate(blueprint.audits):
        place = inside("audits", number)
        if known is not None and audit.agent not in known:
            fix = did_you_mean(audit.agent[:60], sorted(known)) or "declare it under agents"
            yield Problem(
                inside(place, "agent"), "E-AUDIT-REF", f"no agent is named {audit.agent[:60]!r}", fix
            )
        if audit.mode == "async":
            message = "the flow waits for its audits in this version, also with mode async"
            yield Problem(inside(place, "mode"), "W-NOT-YET", message, "write mode: sync", "warning")
