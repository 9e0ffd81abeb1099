"""The Blueprint kind `subprocess` (alias `process`)."""

from __future__ import annotations

from typing import Any

from skep.errors import TrustError
from skep.workers.base import BuildEnv, Spawner
from skep.workers.process.spawner import ProcessSpawner


class ProcessKind:
    """Builds spawners for programs; only trusted Blueprints may name one."""

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
        return ProcessSpawner.from_spec(spec, env.limits)
