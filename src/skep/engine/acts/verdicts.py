"""Acts from above on one task: its worker's token, its verdict, a word to it (DESIGN section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skep import values
from skep.core import steering
from skep.engine.attempts.performing import Performing
from skep.engine.inbox.elsewhere import Delivered
from skep.engine.runs.steer import directive_of, encoded_directive, verdict_of
from skep.errors import AttemptEnded, RunOwned

if TYPE_CHECKING:
    from skep.core.tasks import TaskState
    from skep.core.tokens import TokenRecord
    from skep.engine.inbox.elsewhere import Elsewhere
    from skep.engine.tokens.office import Bearer


class VerdictActs(Performing):
    """Verdicts and directives as methods; a base of `Engine`."""

    elsewhere: Elsewhere

    async def mint_worker_token(self, token: Bearer | None, task_id: str, *, handle: bool = False) -> str:
        """The token of a task's live attempt as text, or with `handle` the short stand-in for it.

        It is what the attempt's own worker has: it ends with the attempt.

        Raises:
            AttemptEnded: the task has no live attempt, or its worker was not given a handle.
            InvalidTransition: it has settled.
        """
        _, task = await self._open_task(token, "mint_worker_token", task_id)
        job = self.find_job(task)
        if task.nonce is None or job is None or job.channel is None:
            raise AttemptEnded(f"task {task_id} has no live attempt", fix="dispatch it first")
        text = job.channel.handle() if handle else self.dispatcher.tokens.worker_token(task)
        await self.ledger.flushed()
        return text

    async def mark_pass(
        self, token: Bearer | None, task_id: str, value: Any, *, run_id: str | None = None
    ) -> Delivered:
        """As `override_verdict` with `ok`, for an operator."""
        return await self._decide(token, "mark_pass", task_id, value, run_id, ok=True)

    async def mark_blocked(
        self, token: Bearer | None, task_id: str, value: Any, *, run_id: str | None = None
    ) -> Delivered:
        """As `override_verdict` without `ok`, for an operator."""
        return await self._decide(token, "mark_blocked", task_id, value, run_id, ok=False)

    async def override_verdict(
        self, token: Bearer | None, task_id: str, ok: bool, value: Any, *, run_id: str | None = None
    ) -> Delivered:
        """Say how a task ends, whatever its worker says: `pass` or `blocked`, with `value` as its result.

        A live worker is told to end, and the task settles when it has; the last verdict before that counts. There
        is no further attempt. Returns when the verdict is durable, or (`acted` false) left for the run's next owner;
        `run_id` helps to find a task of another process.

        Raises:
            InvalidTransition: it has settled.
            BadValue, LimitExceeded: a value that cannot be recorded.
        """
        return await self._decide(token, "override_verdict", task_id, value, run_id, ok=bool(ok))

    async def inject_directive(
        self, token: Bearer | None, task_id: str, directive: Any, *, run_id: str | None = None
    ) -> Delivered:
        """Put a word in to a task: a live worker that listens gets it, its next attempt in any case.

        Raises:
            InvalidTransition: it has settled.
            BadValue, LimitExceeded: a directive that cannot be recorded, or one more than `max_directives`.
        """
        record, task = await self._admit_task(token, "inject_directive", task_id, run_id)
        data = encoded_directive(self.ledger, directive)
        if not self._is_ours(task):
            return await self._send(record, task, {"kind": "directive", "value": directive})
        self.commit_to(task.log, (directive_of(self.ledger, task, data, record.agent_id),))
        self.ledger.waiters.wake(f"directives of {task_id}")
        await self.ledger.flushed()
        return Delivered(task.log, acted=True)

    # -- inside --------------------------------------------------------------------------------

    async def _decide(
        self, token: Bearer | None, act: str, task_id: str, value: Any, run_id: str | None, *, ok: bool
    ) -> Delivered:
        record, task = await self._admit_task(token, act, task_id, run_id)
        steering.check_open(task)
        data = values.encode(value, self.limits, where="verdict")
        if not self._is_ours(task):
            return await self._send(record, task, {"kind": "verdict", "ok": ok, "value": value})
        self._override_task(task, verdict_of(self.ledger, task, data, record.agent_id, ok=ok))
        await self.ledger.flushed()
        return Delivered(task.log, acted=True)

    async def _send(self, record: TokenRecord, task: TaskState, body: dict[str, Any]) -> Delivered:
        """Ask the owner of the task's run."""
        steering.check_open(task)
        if task.run_id is None:
            raise RunOwned(f"task {task.id} is open in {task.log}, which is not this engine's")
        by = {"principal": record.agent_id}
        return await self.elsewhere.send(task.run_id, {**body, "task_id": task.id, "by": by})
