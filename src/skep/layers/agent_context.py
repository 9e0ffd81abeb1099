"""`agent_context`: tells an agent what its Blueprint declares for it."""

from __future__ import annotations

from typing import Any

from skep import values
from skep.flow.context import declared_context, declares_context, policy_of, seen
from skep.layers.base import Around
from skep.layers.project_name_alias import ProjectNameAlias
from skep.workers.base import Ctx, Spawner, Worker
from skep.workers.layer_env import LayerEnv

KEY = "context"


class AgentContext:
    """Hands inward, as `ctx.meta["context"]`, one object that a policy has gone over.

    In it are what the Blueprint declares for the agent, and of the run `run_id`, `work_dir` and
    `project_name_alias`, which no declaration replaces. Each attempt gets a copy of its own.
    """

    name = "agent_context"

    def __init__(self, env: LayerEnv) -> None:
        assert env.blueprint is not None  # noqa: S101 - see `build`
        self._declared = values.encode(
            declared_context(env.agent, env.blueprint), env.limits, where="agent ctx"
        )
        self._policy = policy_of(env.agent, env.blueprint)

    def __call__(self, inner: Spawner) -> Spawner:
        return _Told(inner, self)

    def view(self, ctx: Ctx) -> dict[str, Any]:
        """What the agent sees."""
        of_run = {
            "run_id": ctx.run_id,
            "work_dir": ctx.work_dir,
            ProjectNameAlias.name: ctx.meta.get(ProjectNameAlias.name),
        }
        known = {name: value for name, value in of_run.items() if value is not None}
        return seen({**values.decode(self._declared), **known}, self._policy)


def build(env: LayerEnv) -> AgentContext | None:
    """The layer around an agent for whom something is declared."""
    if env.blueprint is None or not declares_context(env.agent, env.blueprint):
        return None
    return AgentContext(env)


class _Told(Around):
    def __init__(self, inner: Spawner, layer: AgentContext) -> None:
        super().__init__(inner)
        self._layer = layer

    async def spawn(self, ctx: Ctx) -> Worker:
        return await self.inner.spawn(ctx.replace(meta={**ctx.meta, KEY: self._layer.view(ctx)}))
