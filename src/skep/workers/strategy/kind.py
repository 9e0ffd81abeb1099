"""The Blueprint kind `strategy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from skep.clock import Clock
from skep.errors import BlueprintError, TrustError
from skep.workers.base import BuildEnv, Spawner
from skep.workers.strategy.spec import StrategySpec

if TYPE_CHECKING:
    from skep.strategy.runtime import Runtime


class StrategyKind:
    """Builds spawners for strategies; those of one engine share threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._runtime: Runtime | None = None

    def build(self, agent: str, spec: Any, env: BuildEnv) -> Spawner:
        """The spawner of one agent.

        Raises:
            TrustError: the Blueprint is untrusted.
            BlueprintError: a folder of packages lies outside the Blueprint's.
        """
        from skep.workers.strategy.spawner import Plan, StrategySpawner, runtime_with  # noqa: PLC0415 - Lua is loaded when it is wanted

        read = msgspec.convert(spec if spec is not None else {}, StrategySpec)
        if not env.trusted:
            raise TrustError(
                "an untrusted Blueprint runs a strategy, which wants a process of its own: planned, not built yet",
                where=f"agent {agent}",
                fix="run the Blueprint from a file of your own",
            )
        if self._runtime is None:
            self._runtime = runtime_with(self._clock)
        roots = tuple(_root(path, env, agent) for path in read.paths)
        return StrategySpawner(Plan.of(agent, read, roots), self._runtime)

    async def close(self) -> None:
        """Sessions end with their attempts."""


def _root(path: str, env: BuildEnv, agent: str) -> Path:
    """A folder below the Blueprint's, after resolving links."""
    if env.blueprint_dir is None:
        raise BlueprintError(f"paths need a Blueprint that is a file: {path}", where=f"agent {agent}")
    folder = Path(env.blueprint_dir).resolve()
    root = (folder / path).resolve()
    if not root.is_relative_to(folder):
        raise BlueprintError(
            f"{path} lies outside the Blueprint's folder",
            where=f"agent {agent}",
            fix="move the packages below it",
        )
    return root
