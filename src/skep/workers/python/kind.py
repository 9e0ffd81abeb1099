"""The Blueprint kind `python` (published as `rust_fn`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from skep.errors import BlueprintError, NotRegistered, TrustError
from skep.flow.problems import Problem, did_you_mean
from skep.flow.struct_reader import StructReader
from skep.workers.base import BuildEnv, Spawner
from skep.workers.python.agents import PythonAgents
from skep.workers.python.load import REFERENCE, load_callable


class PythonSpec(Struct, frozen=True):
    """Which function an agent is; neither field means the one registered under the agent's own name."""

    fn_id: Annotated[str, Meta(min_length=1)] | None = None
    """The name of a registered function."""
    callable: Annotated[str, Meta(pattern=f"^{REFERENCE.pattern}$", examples=["agents:review"])] | None = None
    """`module:callable`, beside the Blueprint or installed; only in trusted Blueprints."""


def check_python_spec(spec: Any, place: str) -> list[Problem]:
    """Everything wrong with a `python` agent's spec.

    >>> [problem.code for problem in check_python_spec({"fn": "x"}, "agents[0].spec")]
    ['E-FIELD-UNKNOWN']
    """
    problems: list[Problem] = []
    read = StructReader(problems).struct(PythonSpec, spec if spec is not None else {}, place)
    if read is not None and not problems and read.fn_id is not None and read.callable is not None:
        problems.append(
            Problem(place, "E-FIELD-TWICE", "fn_id and callable both name the function", "keep one of them")
        )
    return problems


class PythonKind:
    """Builds spawners for registered functions and, in trusted Blueprints, for `module:callable`."""

    def __init__(self, agents: PythonAgents) -> None:
        self._agents = agents

    def build(self, agent: str, spec: Any, env: BuildEnv) -> Spawner:
        """The spawner of one agent.

        Raises:
            NotRegistered: no function of that name.
            TrustError: a `callable` in an untrusted Blueprint.
            BlueprintError: a `callable` that cannot be loaded.
            ConfigError: one whose parameters an input cannot fill.
        """
        read = msgspec.convert(spec if spec is not None else {}, PythonSpec)
        if read.callable is None:
            return self._registered(read.fn_id or agent, agent)
        if not env.trusted:
            raise TrustError(
                f"an untrusted Blueprint names Python by module: {read.callable}",
                where=f"agent {agent}",
                fix="register the function, or run the Blueprint from a file of your own",
            )
        return self._agents.spawner(agent, _loaded(read.callable, agent, env))

    async def close(self) -> None:
        """End the objects of registered classes that are idle."""
        await self._agents.close()

    def _registered(self, name: str, agent: str) -> Spawner:
        spawner = self._agents.get(name)
        if spawner is None:
            fix = f"register it with @engine.agent({name!r}), or give spec.callable"
            near = did_you_mean(name, list(self._agents))
            raise NotRegistered(
                f"python function {name!r} is not registered",
                where=f"agent {agent}",
                fix=f"{fix}; {near}" if near else fix,
            )
        return spawner


def _loaded(reference: str, agent: str, env: BuildEnv) -> Callable[..., Any]:
    try:
        return load_callable(reference, env.blueprint_dir)
    except BlueprintError as error:
        raise BlueprintError(error.what, where=error.where or f"agent {agent}", fix=error.fix) from error
