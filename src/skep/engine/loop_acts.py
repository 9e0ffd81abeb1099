"""Acts on a whole run: pausing it, its resources, its trace (DESIGN section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skep import values
from skep.core import events as ev
from skep.core import steering
from skep.engine.history import PAGE
from skep.engine.reading import find_run
from skep.engine.task_guard import MAX_ID, TaskGuard
from skep.engine.trace import read_page
from skep.errors import BadValue, LimitExceeded, ResourceNotFound

if TYPE_CHECKING:
    from skep.engine.questions import Questions
    from skep.engine.tokens import Bearer

MAX_KEY = 256
"""Characters of the key of a resource."""


class LoopActs(TaskGuard):
    """Steering and watching a run as methods; a base of `Engine`."""

    questions: Questions

    async def pause_loop(self, token: Bearer | None, run_id: str) -> None:
        """Let a run begin no further attempt; those that run go on to their end. Lasts across restarts.

        With nothing live the run is `suspended`. Its deadline, its questions and its timers go on meanwhile.

        Raises:
            RunNotFound, InvalidTransition, RunOwned: it is not an open run of this engine.
        """
        values.check_text(run_id, "run_id", MAX_ID)
        record = await self.admit(token, "pause_loop", run=run_id)
        (await self._own_run(run_id)).pause(record.agent_id)
        await self.ledger.flushed()

    async def resume_loop(self, token: Bearer | None, run_id: str) -> None:
        """Let a paused run go on; one that is not paused does so anyway. Raises as `pause_loop`."""
        values.check_text(run_id, "run_id", MAX_ID)
        record = await self.admit(token, "resume_loop", run=run_id)
        (await self._own_run(run_id)).unpause(record.agent_id)
        await self.ledger.flushed()

    async def set_resource(self, token: Bearer | None, run_id: str, key: str, value: Any) -> None:
        """Leave a value for the workers of a run, which find it by `fetch_data(key)`; the last one counts.

        Raises:
            BadValue, LimitExceeded: a key or value that cannot be recorded, or one more than `max_resources`.
            RunNotFound, InvalidTransition, RunOwned: it is not an open run of this engine.
        """
        values.check_text(run_id, "run_id", MAX_ID)
        values.check_text(key, "key", MAX_KEY)
        record = await self.admit(token, "set_resource", run=run_id)
        driver = await self._own_run(run_id)
        steering.check_resources(driver.state, key, self.limits)
        content = self.ledger.store(values.encode(value, self.limits, where="resource"), driver.log)
        event = ev.ResourceSet(
            at=self.ledger.now(), run_id=run_id, key=key, value=content, by=record.agent_id
        )
        driver.commit((event,))
        await self.ledger.flushed()

    async def fetch_data(self, token: Bearer, key: str) -> Any:
        """A resource of the worker's own run.

        Raises:
            ResourceNotFound: its run has none by this key.
        """
        values.check_text(key, "key", MAX_KEY)
        await self.dispatcher.tokens.known(token)
        own = self.dispatcher.tokens.vet(token, "fetch_data")
        record = await self.admit(token, "fetch_data", own.task_id)
        run = self.ledger.state.runs.get(record.run_id or "")
        content = run.resources.get(key) if run is not None else None
        if content is None:
            raise ResourceNotFound(f"no resource {key!r} in this run", fix="set_resource leaves one there")
        await self.ledger.flushed()
        return await self.questions.value(content, f"run:{record.run_id}")

    async def read_trace(
        self,
        token: Bearer | None,
        run_id: str | None = None,
        *,
        task_id: str | None = None,
        after: int = 0,
        limit: int = 1_000,
    ) -> list[dict[str, Any]]:
        """The recorded events of a run or of one task, oldest first, values filled in.

        Args:
            token: an observer's, null for the owner.
            run_id: the run; with `task_id` it may be left out.
            task_id: the task, settled or not.
            after: the `version` of the last event of the page before.
            limit: how many at most, up to 5,000.

        Raises:
            RunNotFound, TaskNotFound: there is no such thing.
        """
        if (run_id is None and task_id is None) or after < 0:
            raise BadValue("nothing to trace", where="read_trace", fix="name a run or a task")
        if not 0 < limit <= PAGE:
            raise LimitExceeded("limit", PAGE, where="read_trace", fix="ask for a page")
        if run_id is not None:
            values.check_text(run_id, "run_id", MAX_ID)
        if task_id is not None:
            _, task = await self._admit_task(token, "read_trace", task_id, run_id)
            log = task.log
        else:
            await self.admit(token, "read_trace", run=run_id)
            log = f"run:{(await find_run(self.ledger.journal, run_id or '')).run_id}"
        await self.ledger.flushed()
        return await read_page(self.ledger.journal, log, after, limit, task_id)
