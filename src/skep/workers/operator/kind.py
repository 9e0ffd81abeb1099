"""The Blueprint kind `operator`: work for a seat."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from skep.flow.problems import Problem
from skep.flow.struct_reader import StructReader
from skep.workers.base import BuildEnv, Spawner
from skep.workers.operator.spawner import OperatorSpawner


class OperatorSpec(Struct, frozen=True):
    """Whose work it is."""

    operator_ref: Annotated[str, Meta(min_length=1, max_length=200)]
    """The name of a seat that the Blueprint declares under `operators`."""


def check_operator_spec(spec: Any, place: str) -> list[Problem]:
    """Everything wrong with an `operator` agent's spec.

    >>> [problem.code for problem in check_operator_spec({}, "agents[0].spec")]
    ['E-FIELD-MISSING']
    """
    problems: list[Problem] = []
    StructReader(problems).struct(OperatorSpec, spec if spec is not None else {}, place)
    return problems


class OperatorKind:
    """Builds the spawner of a seat's agents; nobody need sit in it yet."""

    def build(self, agent: str, spec: Any, env: BuildEnv) -> Spawner:  # noqa: ARG002 - the port's
        """The spawner of one agent, whose spec lint has checked."""
        return OperatorSpawner(msgspec.convert(spec, OperatorSpec).operator_ref)

    async def close(self) -> None:
        """Nothing outlives an attempt here."""
