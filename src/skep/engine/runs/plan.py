"""A Blueprint made ready to run: its flow compiled, each agent routed to a spawner behind its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, structs

from skep import values
from skep.clock import Clock, SystemClock
from skep.core.retry import RetryPolicy
from skep.core.transitions import OnInterrupt
from skep.engine.attempts.recorded import RecordedSpawner
from skep.errors import KindNotYet, NotRegistered
from skep.flow.agents import AgentDef
from skep.flow.blueprint import Blueprint
from skep.flow.catalog import Catalog
from skep.flow.lint import known_agents, lint
from skep.flow.load import Loaded
from skep.flow.operator_kinds import kind_spec
from skep.flow.parts import LayerHint
from skep.flow.problems import as_error
from skep.flow.program import Program, compile_flow
from skep.flow.prompt import Prompt, compile_prompt
from skep.flow.version import canonical_blueprint
from skep.limits import Limits
from skep.workers.base import AgentFactory, BuildEnv, Ctx, Perform, Spawner, performing
from skep.workers.layer_env import LayerEnv

Wrap = Callable[[Spawner], Spawner]
"""Puts layers around a spawner."""

Link = Callable[[Sequence[LayerHint], LayerEnv], Wrap]
"""The layers around one agent: those that are always there, and those that the hints name."""


KEPT_PLANS = 64


class Route(Struct, frozen=True):
    """How attempts of one agent are started, and what its definition says about failure."""

    agent: str
    perform: Perform
    runs_ahead: bool
    retry: RetryPolicy | None = None
    timeout_ms: int | None = None
    on_interrupt: OnInterrupt = "retry"
    recorded: bool = False
    """The worker has delivered before: only its layers run, under no deadline."""
    prompt: Prompt | None = None
    """The agent's system prompt."""
    pulls: bool = False
    """Its attempts are given a handle."""
    wrap: Wrap | None = None
    """Its layers; `None` for an agent that nobody declared."""


class Plan(Struct, frozen=True):
    """Everything about a Blueprint that a run needs; shared by the runs of one version."""

    blueprint: Blueprint
    document: bytes
    """The canonical JSON; its SHA-256 is the version."""
    version: str
    program: Program
    routes: Mapping[str, Route]

    def route(self, agent: str) -> Route:
        """The agent's route; an unknown agent gets one whose start fails with `NotRegistered`."""
        route = self.routes.get(agent)
        return route if route is not None else Route(agent, _missing(sorted(self.routes)), runs_ahead=True)

    def recorded(self, route: Route) -> Route:
        """The same route with a base worker that has already delivered (recovery)."""
        base = RecordedSpawner()
        spawner = route.wrap(base) if route.wrap is not None else base
        return structs.replace(
            route, perform=performing(spawner), runs_ahead=spawner.runs_ahead, recorded=True
        )


class Planner:
    """Makes plans. The host gives it the kinds, the layers and the registered agents."""

    def __init__(
        self,
        factories: Mapping[str, AgentFactory],
        catalog: Catalog,
        link: Link,
        limits: Limits,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._factories = factories
        self._catalog = catalog
        self._link = link
        self._limits = limits
        self.registered: dict[str, AgentDef] = {}
        """Agents that code registered; a Blueprint need not declare them."""
        self._plans: dict[tuple[int, BuildEnv, int], tuple[Blueprint | Loaded, Plan]] = {}

    def plan(self, given: Blueprint | Loaded, env: BuildEnv) -> Plan:
        """Check and compile; problems of a `Loaded` one are told with their lines.

        The plans of the last Blueprints are kept, so starting one again and again costs no second look.

        Raises:
            BlueprintError: with every problem that lint found.
            KindNotYet: an agent's kind cannot be started by this version.
        """
        key = (id(given), env, len(self.registered))
        kept = self._plans.get(key)
        if kept is not None and kept[0] is given:
            return kept[1]
        blueprint = given.blueprint if isinstance(given, Loaded) else given
        self._check(given, blueprint, env)
        plan = self._compile(blueprint, env)
        if len(self._plans) >= KEPT_PLANS:
            del self._plans[next(iter(self._plans))]
        self._plans[key] = (given, plan)
        return plan

    def _check(self, given: Blueprint | Loaded, blueprint: Blueprint, env: BuildEnv) -> None:
        trust = "trusted" if env.trusted else "untrusted"
        problems = lint(blueprint, self._catalog, trust=trust, registered=frozenset(self.registered))
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors and isinstance(given, Loaded):
            located = given.located(errors)
            line = f":{located[0].line}" if located[0].line else ""
            raise as_error(located, f"{given.path}{line}")
        if errors:
            raise as_error(errors)

    def _compile(self, blueprint: Blueprint, env: BuildEnv) -> Plan:
        document = canonical_blueprint(blueprint)
        agents = {**self.registered, **known_agents(blueprint, self._catalog)}
        return Plan(
            blueprint=blueprint,
            document=document,
            version=values.digest(document),
            program=compile_flow(blueprint.flow, self._limits),
            routes={name: self._route(agent, env, blueprint) for name, agent in agents.items()},
        )

    def registered_route(self, agent: str) -> Route | None:
        """The route of an agent that code registered, for tasks outside a run."""
        known = self.registered.get(agent)
        return self._route(known, BuildEnv(limits=self._limits)) if known is not None else None

    def _route(self, agent: AgentDef, env: BuildEnv, blueprint: Blueprint | None = None) -> Route:
        info = self._catalog.kind(agent.kind)
        factory = self._factories.get(info.name if info else agent.kind)
        if factory is None:
            raise KindNotYet(
                f"agent {agent.name!r} is of kind {agent.kind!r}, which this version cannot start",
                fix=f"kinds that start: {', '.join(sorted(self._factories))}",
            )
        base = factory.build(agent.name, kind_spec(agent, info.name if info else agent.kind, blueprint), env)
        wrap = self._layers(agent, env, blueprint)
        spawner = wrap(base)
        return Route(
            agent=agent.name,
            perform=performing(spawner),
            runs_ahead=spawner.runs_ahead,
            retry=agent.retry,
            timeout_ms=int(agent.timeout * 1000) if agent.timeout is not None else None,
            on_interrupt="retry" if agent.interruption == "retry" else "fail",
            prompt=compile_prompt(agent.profile.system_prompt) if agent.profile is not None else None,
            pulls=getattr(base, "pulls", False),
            wrap=wrap,
        )

    def _layers(self, agent: AgentDef, env: BuildEnv, blueprint: Blueprint | None) -> Wrap:
        layer_env = LayerEnv(
            blueprint_dir=env.blueprint_dir,
            work_dir=env.work_dir,
            trusted=env.trusted,
            limits=env.limits,
            agent=agent,
            blueprint=blueprint,
            clock=self._clock,
        )
        return self._link(blueprint.spawner_hints.layers if blueprint is not None else (), layer_env)


def _missing(known: list[str]) -> Perform:
    """An agent that nobody declared (`strategy.strict_refs: false`)."""

    async def perform(ctx: Ctx) -> None:
        raise NotRegistered(f"worker not registered: {ctx.agent}", fix=f"known: {', '.join(known) or 'none'}")

    return perform
