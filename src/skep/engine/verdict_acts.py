"""Acts from above on one task: its worker's token, its verdict, a word to it (DESIGN section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skep import values
from skep.core import events as ev
from skep.core import steering
from skep.core.tasks import Verdict
from skep.engine.performing import Performing
from skep.errors import AttemptEnded, LimitExceeded

if TYPE_CHECKING:
    from skep.engine.tokens import Bearer


class VerdictActs(Performing):
    """Verdicts and directives as methods; a base of `Engine`."""

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

    async def mark_pass(self, token: Bearer | None, task_id: str, value: Any) -> None:
        """As `override_verdict` with `ok`, for an operator."""
        await self._decide(token, "mark_pass", task_id, value, ok=True)

    async def mark_blocked(self, token: Bearer | None, task_id: str, value: Any) -> None:
        """As `override_verdict` without `ok`, for an operator."""
        await self._decide(token, "mark_blocked", task_id, value, ok=False)

    async def override_verdict(self, token: Bearer | None, task_id: str, ok: bool, value: Any) -> None:
        """Say how a task ends, whatever its worker says: `pass` or `blocked`, with `value` as its result.

        A live worker is told to end, and the task settles when it has; the last verdict before that counts. There
        is no further attempt. Returns when the verdict is durable.

        Raises:
            InvalidTransition: it has settled.
            BadValue, LimitExceeded: a value that cannot be recorded.
        """
        await self._decide(token, "override_verdict", task_id, value, ok=ok)

    async def inject_directive(self, token: Bearer | None, task_id: str, directive: Any) -> None:
        """Put a word in to a task: a live worker that listens gets it, its next attempt in any case.

        Raises:
            InvalidTransition: it has settled.
            BadValue, LimitExceeded: a directive that cannot be recorded, or one more than `max_directives`.
        """
        record, task = await self._open_task(token, "inject_directive", task_id)
        steering.check_directives(task, self.limits)
        data = values.encode(directive, self.limits, where="directive")
        if len(data) > self.limits.max_directive_bytes:
            raise LimitExceeded("max_directive_bytes", self.limits.max_directive_bytes, where="directive")
        event = ev.DirectiveInjected(
            at=self.ledger.now(),
            task_id=task_id,
            directive=self.ledger.store(data, task.log),
            by=record.agent_id,
        )
        self.commit_to(task.log, (event,))
        self.ledger.waiters.wake(f"directives of {task_id}")
        await self.ledger.flushed()

    # -- inside --------------------------------------------------------------------------------

    async def _decide(self, token: Bearer | None, act: str, task_id: str, value: Any, *, ok: bool) -> None:
        record, task = await self._open_task(token, act, task_id)
        data = values.encode(value, self.limits, where="verdict")
        content = self.ledger.store(data, task.log, task_id, "verdict")
        self._override_task(task, Verdict(bool(ok), content, record.agent_id))
        await self.ledger.flushed()
