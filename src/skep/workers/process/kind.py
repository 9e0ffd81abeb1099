"""The Blueprint kind `subprocess` (alias `process`)."""

from __future__ import annotations

import weakref
from typing import Any

import msgspec

from skep.errors import TrustError
from skep.values import type_of
from skep.workers.base import BuildEnv, Spawner
from skep.workers.process.spawner import ProcessSpawner
from skep.workers.process.spec import TemplateSpec
from skep.workers.process.template import TemplateSpawner


class ProcessKind:
    """Builds spawners for programs; only trusted Blueprints may name one."""

    def __init__(self) -> None:
        self._spawners: weakref.WeakSet[ProcessSpawner] = weakref.WeakSet()

    def build(self, agent: str, spec: Any, env: BuildEnv) -> Spawner:
        """The spawner of one agent.

        Raises:
            TrustError: the Blueprint is untrusted.
            BlueprintError: the spec cannot be used.
        """
        if not env.trusted:
            raise TrustError(
                "an untrusted Blueprint names a program",
                where=f"agent {agent}",
                fix="run the Blueprint from a file of your own",
            )
        if type_of(spec) is dict and "template" in spec:
            return TemplateSpawner.from_spec(msgspec.convert(spec, TemplateSpec), env.limits)
        spawner = ProcessSpawner.from_spec(spec, env.limits)
        self._spawners.add(spawner)
        return spawner

    async def close(self) -> None:
        """End the persistent programs of every spawner that was built here."""
        for spawner in list(self._spawners):
            await spawner.close()
