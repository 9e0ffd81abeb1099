"""What a worker in this process does through the engine, under its own attempt's authority and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skep.core.outcomes import DispatchOutcome
    from skep.core.tasks import TaskState
    from skep.engine.engine import Engine
    from skep.engine.tokens.office import Grant


class OwnActs:
    """Implements `skep.workers.base.OwnActs`: the engine's acts with the attempt's capability filled in."""

    __slots__ = ("_engine", "_grant")

    def __init__(self, engine: Engine, grant: Grant) -> None:
        self._engine = engine
        self._grant = grant

    async def start_task(self, agent: str, directive: Any) -> str:
        return await self._engine.start_task(self._grant, agent, directive)

    async def dispatch_attempt(self, task_id: str) -> DispatchOutcome:
        return await self._engine.dispatch_attempt(self._grant, task_id)

    async def poll_task(self, task_id: str, hold: float) -> TaskState:
        return await self._engine.poll_task(self._grant, task_id, hold)

    async def read_task_state(self, task_id: str) -> TaskState:
        return await self._engine.read_task_state(self._grant, task_id)

    async def cancel_task(self, task_id: str) -> None:
        await self._engine.cancel_task(self._grant, task_id)

    async def fetch_data(self, key: str) -> Any:
        return await self._engine.fetch_data(self._grant, key)
