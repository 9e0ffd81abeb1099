"""What a layer may know when it is built."""

from __future__ import annotations

from skep.clock import Clock, SystemClock
from skep.flow.agents import AgentDef
from skep.flow.blueprint import Blueprint
from skep.workers.base import BuildEnv


class LayerEnv(BuildEnv, frozen=True, kw_only=True):
    """The surroundings of a layer around one agent."""

    agent: AgentDef
    blueprint: Blueprint | None = None
    """`None` around an agent that code registered, for tasks outside a run."""
    clock: Clock = SystemClock()
    """The engine's; layers that wait or measure use it."""
