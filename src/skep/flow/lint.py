"""Whether a Blueprint can run: everything that is wrong at once, each with place, code, message and fix.

Pure: what kinds and layers there are comes in as a `Catalog`. Every code is explained in `codes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from skep.errors import LimitExceeded, TemplateError
from skep.flow.agents import AgentDef
from skep.flow.audits import lint_audits
from skep.flow.blueprint import Blueprint, read_blueprint
from skep.flow.catalog import Catalog
from skep.flow.context import lint_context
from skep.flow.document import plain_copy
from skep.flow.lint_asking import lint_ask
from skep.flow.lint_flow import lint_item
from skep.flow.lint_layers import lint_layers
from skep.flow.lint_processes import lint_processes
from skep.flow.lint_trust import agent_trust, blueprint_trust, document_refs
from skep.flow.nodes import Ask, Step
from skep.flow.not_yet import agent_not_yet, blueprint_not_yet
from skep.flow.operator_kinds import kind_spec
from skep.flow.problems import Problem, did_you_mean, inside
from skep.flow.prompt import compile_prompt
from skep.flow.walk import walk
from skep.limits import DEFAULT_LIMITS, Limits
from skep.values import type_of

Trust = Literal["trusted", "untrusted"]


def lint(
    blueprint: Blueprint | Any,
    catalog: Catalog,
    *,
    trust: Trust = "trusted",
    registered: frozenset[str] | None = frozenset(),
    limits: Limits = DEFAULT_LIMITS,
) -> list[Problem]:
    """Every problem of a Blueprint or of a document that should be one.

    Args:
        blueprint: read already, or a plain document.
        catalog: the worker kinds and layers that there are.
        trust: of the document's source (R-trust).
        registered: agents that code has registered; `None` if any name may be.
        limits: bounds of documents and templates.

    Raises:
        BadSyntax, LimitExceeded: the document is no JSON value, or too large to look at.
    """
    problems: list[Problem] = []
    if not isinstance(blueprint, Blueprint):
        read = _read(blueprint, problems, trust, limits)
        if read is None:
            return problems
        blueprint = read
    problems.extend(_Lint(blueprint, catalog, trust, registered, limits).problems())
    return problems


def known_agents(blueprint: Blueprint, catalog: Catalog) -> dict[str, AgentDef]:
    """The agents that steps can refer to: with `strict_kind` false, those of an unknown kind are left out."""
    return {
        agent.name: agent
        for agent in blueprint.agents
        if blueprint.strategy.strict_kind or catalog.kind(agent.kind) is not None
    }


def _read(document: Any, problems: list[Problem], trust: Trust, limits: Limits) -> Blueprint | None:
    """A Blueprint, or nothing but problems; what is wrong inside a reference is not reported twice."""
    plain = plain_copy(document, limits)
    refs = list(document_refs(plain, trust))
    problems.extend(refs)
    found: list[Problem] = []
    blueprint = read_blueprint(plain, found, limits)
    places = tuple(ref.place for ref in refs)
    problems.extend(problem for problem in found if not _is_inside(problem.place, places))
    return None if refs else blueprint


def _is_inside(place: str, outer: tuple[str, ...]) -> bool:
    return any(place == at or (place.startswith(at) and place[len(at)] in ".[") for at in outer)


class _Lint:
    """One look at one Blueprint."""

    def __init__(
        self,
        blueprint: Blueprint,
        catalog: Catalog,
        trust: Trust,
        registered: frozenset[str] | None,
        limits: Limits,
    ) -> None:
        self._blueprint = blueprint
        self._catalog = catalog
        self._untrusted = trust == "untrusted"
        self._registered = registered
        self._limits = limits
        self._used = {item.agent for item, _ in walk(blueprint.flow) if isinstance(item, Step)}
        self._used.update(audit.agent for audit in blueprint.audits)

    def problems(self) -> Iterator[Problem]:
        yield from self._agents()
        yield from self._duplicates()
        yield from lint_layers(self._blueprint.spawner_hints.layers, self._catalog, self._untrusted)
        yield from lint_processes(self._blueprint)
        yield from lint_context(self._blueprint)
        yield from lint_audits(self._blueprint, self._known())
        yield from blueprint_not_yet(self._blueprint)
        if self._untrusted:
            yield from blueprint_trust(self._blueprint)
        yield from self._flow()

    # -- agents --------------------------------------------------------------------------------

    def _agents(self) -> Iterator[Problem]:
        seen: dict[str, str] = {}
        for number, agent in enumerate(self._blueprint.agents):
            place = inside("agents", number)
            first = seen.setdefault(agent.name, place)
            if first != place:
                message = f"agent {agent.name!r} is declared at {first} already"
                yield Problem(place, "E-AGENT-DUPLICATE", message, "rename or remove one")
            if agent.name not in self._used:
                message = f"agent {agent.name!r} is used by no step"
                yield Problem(place, "W-UNUSED-AGENT", message, "remove it, or check the steps", "warning")
            yield from self._kind(agent, place)
            yield from self._operator_ref(agent, inside(place, "spec"))
            yield from self._template(agent, inside(inside(place, "profile"), "system_prompt"))
            yield from agent_not_yet(agent, place, self._blueprint)

    def _kind(self, agent: AgentDef, place: str) -> Iterator[Problem]:
        kind = self._catalog.kind(agent.kind)
        if kind is None:
            yield self._unknown_kind(agent, inside(place, "kind"))
            return
        if not kind.ready:
            message = f"kind {kind.name!r} cannot be started by this version"
            ready = ", ".join(known.name for known in self._catalog.kinds if known.ready)
            yield Problem(inside(place, "kind"), "E-KIND-NOT-YET", message, f"ready: {ready}", "warning")
        spec, place = kind_spec(agent, kind.name, self._blueprint), inside(place, "spec")
        yield from kind.check(spec, place)
        if self._untrusted:
            yield from agent_trust(spec, kind, place)
        else:
            yield from kind.check_code(spec, place)

    def _unknown_kind(self, agent: AgentDef, place: str) -> Problem:
        message = f"agent {agent.name!r} is of unknown kind {agent.kind[:60]!r}"
        fix = did_you_mean(agent.kind[:60], self._catalog.kind_names)
        if self._blueprint.strategy.strict_kind:
            return Problem(place, "E-KIND", message, fix)
        return Problem(place, "W-KIND-DROPPED", f"{message} and is left out", fix, "warning")

    def _operator_ref(self, agent: AgentDef, place: str) -> Iterator[Problem]:
        if agent.kind != "operator" or type_of(agent.spec) is not dict:
            return
        name = agent.spec.get("operator_ref")
        names = [operator.name for operator in self._blueprint.operators]
        if type_of(name) is str and name not in names:
            message = f"operator {name[:60]!r} is not declared"
            fix = did_you_mean(name[:60], names) or "declare it under operators"
            yield Problem(inside(place, "operator_ref"), "E-OPERATOR-REF", message, fix)

    def _template(self, agent: AgentDef, place: str) -> Iterator[Problem]:
        if agent.profile is None or "{" not in agent.profile.system_prompt:
            return
        try:
            compile_prompt(agent.profile.system_prompt, self._limits)
        except (TemplateError, LimitExceeded) as error:
            message = f"{error.where}: {error.what}" if error.where else error.what
            yield Problem(
                place, "E-TEMPLATE", message, error.fix or "use fields of the step's input, and filters"
            )

    # -- what surrounds the flow ---------------------------------------------------------------

    def _duplicates(self) -> Iterator[Problem]:
        named: dict[str, Iterable[Any]] = {
            "operators": self._blueprint.operators,
            "metas": self._blueprint.metas,
            "runners": self._blueprint.runners,
            "subprocesses": self._blueprint.subprocesses,
        }
        for field, parts in named.items():
            names: set[str] = set()
            for number, part in enumerate(parts):
                if part.name in names:
                    message = f"{part.name!r} is declared above already"
                    yield Problem(inside(field, number), "E-DUPLICATE", message, "rename or remove one")
                names.add(part.name)

    # -- flow ----------------------------------------------------------------------------------

    def _known(self) -> frozenset[str] | None:
        """All agents; `None` while those that code registers are not known."""
        if self._registered is None:
            return None
        return self._registered.union(known_agents(self._blueprint, self._catalog))

    def _flow(self) -> Iterator[Problem]:
        known = {*known_agents(self._blueprint, self._catalog), *(self._registered or ())}
        seats = {operator.name for operator in self._blueprint.operators}
        for item, place in walk(self._blueprint.flow):
            if isinstance(item, Step) and self._registered is not None and item.agent not in known:
                yield self._unknown_agent(item.agent, sorted(known), inside(place, "ref"))
            if isinstance(item, Ask):
                yield from lint_ask(item, place, seats, self._catalog)
            yield from lint_item(item, place)

    def _unknown_agent(self, name: str, known: list[str], place: str) -> Problem:
        message = f"no agent is named {name[:60]!r}"
        fix = did_you_mean(name[:60], known) or "declare it under agents, or register it"
        if self._blueprint.strategy.strict_refs:
            return Problem(place, "E-REF", message, fix)
        return Problem(place, "W-REF", message, fix, "warning")
