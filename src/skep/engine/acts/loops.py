"""Acts on a whole run: pausing it, its resources, its trace (DESIGN section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skep import values
from skep.core.authority import ACTS, check_scopes, facts_of
from skep.engine.acts.task_guard import MAX_ID, TaskGuard
from skep.engine.inbox.elsewhere import Delivered
from skep.engine.reading.history import PAGE
from skep.engine.reading.reading import find_run
from skep.engine.reading.trace import read_page
from skep.engine.runs.steer import set_resource
from skep.errors import BadValue, LimitExceeded, ResourceNotFound

if TYPE_CHECKING:
    from skep.core.tokens import TokenRecord
    from skep.engine.inbox.elsewhere import Elsewhere
    from skep.engine.questions.questions import Questions
    from skep.engine.tokens.office import Bearer

MAX_KEY = 256
"""Characters of the key of a resource."""


class LoopActs(TaskGuard):
    """Steering and watching a run as methods; a base of `Engine`."""

    questions: Questions
    elsewhere: Elsewhere

    async def pause_loop(self, token: Bearer | None, run_id: str) -> Delivered:
        """Let a run begin no further attempt; those that run go on to their end. Lasts across restarts.

        Returns when that is durable, or (`acted` false) left for the run's next owner. With nothing live the run
        is `suspended`. Its deadline, its questions and its timers go on meanwhile.

        Raises:
            RunNotFound, InvalidTransition: there is no such run, or it has ended.
        """
        values.check_text(run_id, "run_id", MAX_ID)
        record = await self.admit(token, "pause_loop", run=run_id)
        driver = self.drivers.get(run_id)
        if driver is None or not driver.is_open:
            return await self._send_to(run_id, record, {"kind": "pause"})
        driver.pause(record.agent_id)
        await self.ledger.flushed()
        return Delivered(driver.log, acted=True)

    async def resume_loop(self, token: Bearer | None, run_id: str) -> Delivered:
        """Let a paused run go on; one that is not paused does so anyway. Raises as `pause_loop`."""
        values.check_text(run_id, "run_id", MAX_ID)
        record = await self.admit(token, "resume_loop", run=run_id)
        driver = self.drivers.get(run_id)
        if driver is None or not driver.is_open:
            return await self._send_to(run_id, record, {"kind": "unpause"})
        driver.unpause(record.agent_id)
        await self.ledger.flushed()
        return Delivered(driver.log, acted=True)

    async def set_resource(self, token: Bearer | None, run_id: str, key: str, value: Any) -> Delivered:
        """Leave a value for the workers of a run, which find it by `fetch_data(key)`; the last one counts.

        Raises:
            BadValue, LimitExceeded: a key or value that cannot be recorded, or one more than `max_resources`.
            RunNotFound, InvalidTransition: there is no such run, or it has ended.
        """
        values.check_text(run_id, "run_id", MAX_ID)
        values.check_text(key, "key", MAX_KEY)
        record = await self.admit(token, "set_resource", run=run_id)
        data = values.encode(value, self.limits, where="resource")
        driver = self.drivers.get(run_id)
        if driver is None or not driver.is_open:
            return await self._send_to(run_id, record, {"kind": "resource", "key": key, "value": value})
        set_resource(driver, key, data, record.agent_id)
        await self.ledger.flushed()
        return Delivered(driver.log, acted=True)

    async def fetch_data(self, token: Bearer, key: str) -> Any:
        """A resource of the worker's own run.

        Raises:
            ResourceNotFound: its run has none by this key.
        """
        values.check_text(key, "key", MAX_KEY)
        own = await self._vet(token, "fetch_data")
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
            record = await self.admit(token, "read_trace", run=run_id)
            row = await find_run(self.ledger.journal, run_id or "")
            act = ACTS["read_trace"]
            # Scopes name runs by their whole ids, and one may be the beginning of another.
            check_scopes(act, record.scopes, facts_of(act, {"run": row.run_id}))
            log = f"run:{row.run_id}"
        await self.ledger.flushed()
        return await read_page(self.ledger.journal, log, after, limit, task_id)

    # -- inside --------------------------------------------------------------------------------

    async def _send_to(self, run_id: str, record: TokenRecord, body: dict[str, Any]) -> Delivered:
        """Ask the owner of an open run, or leave it for the next one."""
        return await self.elsewhere.send(run_id, {**body, "by": {"principal": record.agent_id}})
