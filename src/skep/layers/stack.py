"""`Stack(base).layer(A).layer(B)`: the last added is outermost."""

from __future__ import annotations

from skep.layers.base import Layer
from skep.workers.base import Ctx, Spawner, Worker


class Stack:
    """A spawner with layers around it; itself a spawner. Adding a layer makes a new stack.

    >>> from skep.layers.project_name_alias import ProjectNameAlias
    >>> from skep.layers.audit import Audit
    >>> from skep.workers.python.agents import PythonAgents
    >>> Stack(PythonAgents()["identity"]).layer(Audit()).layer(ProjectNameAlias("hive")).names
    ('project_name_alias', 'audit')
    """

    def __init__(self, base: Spawner) -> None:
        self._spawner = base
        self.runs_ahead = base.runs_ahead
        self.names: tuple[str, ...] = ()
        """The layers in the order in which a spawn passes them."""

    def layer(self, layer: Layer) -> Stack:
        """This stack with `layer` around it."""
        stack = Stack(layer(self._spawner))
        stack.names = (layer.name, *self.names)
        return stack

    async def spawn(self, ctx: Ctx) -> Worker:
        """Start a worker through all layers, the outermost first."""
        return await self._spawner.spawn(ctx)
