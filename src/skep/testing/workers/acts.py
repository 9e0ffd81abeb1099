"""What a worker does through the engine, played: children that echo what they are given, and resources."""

from __future__ import annotations

from typing import Any

from skep.core.outcomes import DispatchOutcome, Pass
from skep.core.tasks import TaskState
from skep.errors import PollTimeout, ResourceNotFound


class FakeActs:
    """Implements `skep.workers.base.OwnActs`; `data` are the resources, `children` what was started, by id.

    A child passes when it is dispatched, with its directive as the value.
    """

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.children: dict[str, TaskState] = {}
        self._directives: dict[str, Any] = {}

    async def start_task(self, agent: str, directive: Any) -> str:
        task_id = f"T-{len(self.children) + 1:016x}"
        self.children[task_id] = TaskState(id=task_id, agent=agent, log="run:run-0000000000000001")
        self._directives[task_id] = directive
        return task_id

    async def dispatch_attempt(self, task_id: str) -> DispatchOutcome:
        self.children[task_id].status = "pass"
        return Pass(self._directives[task_id])

    async def poll_task(self, task_id: str, hold: float) -> TaskState:
        if self.children[task_id].status == "pending":
            raise PollTimeout(f"task {task_id} goes on after {hold} s")
        return self.children[task_id]

    async def read_task_state(self, task_id: str) -> TaskState:
        return self.children[task_id]

    async def cancel_task(self, task_id: str) -> None:
        self.children[task_id].status = "cancelled"

    async def fetch_data(self, key: str) -> Any:
        if key not in self.data:
            raise ResourceNotFound(f"no resource {key!r} in this run")
        return self.data[key]
