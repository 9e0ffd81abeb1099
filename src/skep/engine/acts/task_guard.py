"""The way in for acts on a task: whose it is, wherever it stands, before anything is said or done about it.

A task that has settled is in no memory: it is read back from its log, which is its run's or its session's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from skep import values
from skep.core import steering
from skep.core.tasks import TaskState
from skep.engine.acts.guarded import Guarded
from skep.engine.reading.history import TaskReader, settled_task
from skep.errors import RunOwned, TaskNotFound

if TYPE_CHECKING:
    from skep.core.tokens import TokenRecord
    from skep.engine.attempts.dispatch import Job
    from skep.engine.tokens.office import Bearer

MAX_ID = 256
"""Characters of the id of a task or a run."""
LOOKED_RUNS = 100
"""Runs of the store, the newest first, in which a task is looked for when nothing says which is its own."""
LOOKED_EVENTS = 100_000
"""When so many events were read for it, no further run is looked into."""


class TaskGuard(Guarded):
    """A base of the acts on tasks and runs."""

    _session_jobs: dict[str, Job]

    async def _admit_task(
        self, token: Bearer | None, act: str, task_id: str, run_id: str | None = None
    ) -> tuple[TokenRecord, TaskState]:
        """Check that the bearer may perform `act` on a task, in memory or settled; the task as it is.

        Args:
            token: the bearer, null for the owner.
            act: its name in `skep.core.authority`.
            task_id: the task.
            run_id: its run, if that is known: a settled task is then looked for nowhere else.

        Raises:
            AuthorityError: the bearer may not.
            TaskNotFound: no such task.
        """
        values.check_text(task_id, "task_id", MAX_ID)
        values.check_text(run_id or "", "run_id", MAX_ID)
        bearer = await self._vet(token, act)
        task = self.ledger.state.tasks.get(task_id)
        if task is None:
            found = await self._look_up(bearer, task_id, run_id)
            task = self.ledger.state.tasks.get(task_id) or found
        record = await self.admit(token, act, task_id, run=run_id, settled=task)
        if task is None:  # what has come meanwhile was not judged
            raise TaskNotFound(f"no task {task_id}", fix="name its run if it has settled")
        return record, self.ledger.state.tasks.get(task_id) or task

    async def _open_task(
        self, token: Bearer | None, act: str, task_id: str, run_id: str | None = None
    ) -> tuple[TokenRecord, TaskState]:
        """As `_admit_task`, for acts that change a task of this engine.

        Raises:
            InvalidTransition: it has settled.
            RunOwned: it is open, but not here.
        """
        record, task = await self._admit_task(token, act, task_id, run_id)
        steering.check_open(task)
        if not self._is_ours(task):
            raise RunOwned(f"task {task_id} is open in {task.log}, which is not this engine's")
        return record, task

    def _is_ours(self, task: TaskState) -> bool:
        """Whether an open task is this engine's."""
        return self.ledger.state.tasks.get(task.id) is task

    def find_job(self, task: TaskState) -> Job | None:
        """The live attempt of a task, on its way through its stages."""
        driver = self.drivers.get(task.run_id) if task.run_id else None
        return driver.attempts.jobs.get(task.id) if driver is not None else self._session_jobs.get(task.id)

    async def _recorded_task(self, log: str, task_id: str) -> TaskState | None:
        """A task as its log has it."""
        await self.ledger.flushed()
        return await settled_task(self.ledger.journal, log, task_id)

    # -- inside --------------------------------------------------------------------------------

    async def _look_up(self, record: TokenRecord, task_id: str, run_id: str | None) -> TaskState | None:
        await self.ledger.flushed()
        read = 0
        async for log in self._logs_for(record, run_id):
            reader = TaskReader(self.ledger.journal, log, task_id)
            found = await reader.look()
            if found is not None:
                return found
            read += reader.version
            if read >= LOOKED_EVENTS:
                return None
        return None

    async def _logs_for(self, record: TokenRecord, run_id: str | None) -> AsyncIterator[str]:
        """Where a task may stand that the bearer can know of."""
        if record.run_id is not None or run_id is not None:
            yield f"run:{run_id if record.run_id is None else record.run_id}"
            return
        own = f"session:{record.session_id}" if record.session_id is not None else None
        if record.task_id is not None:
            task = self.ledger.state.tasks.get(record.task_id)
            own = task.log if task is not None else own
        if own is not None:
            yield own
        if record.role == "worker":
            return
        scoped = [scope.partition(":")[2] for scope in record.scopes if scope.startswith("run:")]
        rows = [] if scoped else await self.ledger.journal.list_runs(limit=LOOKED_RUNS)
        for name in scoped or [row.run_id for row in rows]:
            yield f"run:{name}"
