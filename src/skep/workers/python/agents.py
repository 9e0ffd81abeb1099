"""The Python functions that code has registered as agents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from skep.errors import ConfigError
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.pool import PooledSpawner, PoolSize
from skep.workers.python.invocation import Invocation
from skep.workers.python.reusable import class_spawner
from skep.workers.python.spawner import InProcSpawner
from skep.workers.threads import ThreadPool

Registered = InProcSpawner | PooledSpawner


async def identity(inv: Invocation) -> dict[str, str]:
    """The built-in worker: echoes its prompt."""
    return {"by": "baseline-identity", "agent": inv.agent, "echoed": inv.prompt}


class PythonAgents(Mapping[str, Registered]):
    """Name to spawner; `identity` is there from the start. All share one pool of threads."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.threads = ThreadPool(limits)
        self._spawners: dict[str, Registered] = {}
        self.add("identity", identity)

    def add(self, name: str, function: Callable[..., Any]) -> InProcSpawner:
        """Register a function.

        Raises:
            ConfigError: the name is taken, or the function cannot be a worker.
        """
        self._check_free(name)
        spawner = self._spawners[name] = self.spawner(name, function)
        return spawner

    def add_class(self, name: str, make: Callable[[], Any], size: PoolSize) -> PooledSpawner:
        """Register a class whose objects serve many attempts.

        Raises:
            ConfigError: the name is taken, or its objects cannot be called.
        """
        self._check_free(name)
        spawner = class_spawner(make, size, limits=self.limits, threads=self.threads)
        self._spawners[name] = spawner
        return spawner

    async def close(self) -> None:
        """End the objects that are idle."""
        for spawner in self._spawners.values():
            if isinstance(spawner, PooledSpawner):
                await spawner.close()

    def _check_free(self, name: str) -> None:
        if name in self._spawners:
            raise ConfigError(f"agent {name!r} is registered twice", fix="give one of them another name")

    def spawner(self, agent: str, function: Callable[..., Any]) -> InProcSpawner:
        """A spawner on the shared threads for a function that is not registered.

        Raises:
            ConfigError: the function cannot be the worker of `agent`.
        """
        try:
            return InProcSpawner(function, limits=self.limits, threads=self.threads)
        except ConfigError as error:
            where = f"agent {agent}, {error.where}" if error.where else f"agent {agent}"
            raise ConfigError(error.what, where=where, fix=error.fix) from error

    def __getitem__(self, name: str) -> Registered:
        return self._spawners[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._spawners)

    def __len__(self) -> int:
        return len(self._spawners)
