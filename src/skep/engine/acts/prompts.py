"""What a worker that pulls is given, and what others may put in its place (DESIGN section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, to_builtins

from skep import values
from skep.core import steering
from skep.engine.acts.task_guard import TaskGuard
from skep.errors import AttemptEnded
from skep.workers.base import Ctx, Previous

if TYPE_CHECKING:
    from skep.engine.tokens.office import Bearer


class WorkerPayload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that the worker of an attempt starts from; what is absent is left out of `to_dict`."""

    task_id: str
    attempt: int
    agent: str
    system: str | None = None
    prompt: str
    answers: dict[str, Any] = {}
    previous: Previous | None = None
    last_checkpoint: Any = None
    directives: tuple[Any, ...] = ()

    @classmethod
    def of(cls, ctx: Ctx) -> WorkerPayload:
        """What the attempt `ctx` is given."""
        return cls(
            task_id=ctx.task_id,
            attempt=ctx.attempt,
            agent=ctx.agent,
            system=ctx.system,
            prompt=ctx.prompt,
            answers=ctx.answers,
            previous=ctx.previous,
            last_checkpoint=ctx.last_checkpoint,
            directives=ctx.directives,
        )

    def to_dict(self) -> dict[str, Any]:
        """The published object."""
        return to_builtins(self)


class PromptActs(TaskGuard):
    """Prompts as methods; a base of `Engine`."""

    async def fetch_prompt(self, token: Bearer, task_id: str) -> str:
        """The prompt of the task's live attempt, for its own worker.

        Raises:
            AttemptEnded: the task has no live attempt.
        """
        return (await self._payload(token, "fetch_prompt", task_id)).prompt

    async def fetch_worker_payload(self, token: Bearer, task_id: str) -> WorkerPayload:
        """Everything that the task's live attempt starts from, for its own worker.

        Raises:
            AttemptEnded: the task has no live attempt.
        """
        return await self._payload(token, "fetch_worker_payload", task_id)

    async def set_prompt(self, token: Bearer | None, task_id: str, attempt: int, prompt: str) -> None:
        """Give one attempt, the live one or the next, another prompt than its task's.

        Raises:
            InvalidTransition: neither of these, or the task has settled.
            BadValue, LimitExceeded: not text, or more than `prompt_rendered_chars`.
        """
        _, task = await self._open_task(token, "set_prompt", task_id)
        values.check_text(prompt, "prompt", self.limits.prompt_rendered_chars)
        self.commit_to(task.log, (steering.bake_prompt(task, attempt, prompt, self.ledger.now()),))
        await self.ledger.flushed()

    async def bake_worker_system_prompt(
        self, token: Bearer | None, task_id: str, attempt: int, system: str | None
    ) -> None:
        """Give one attempt, the live one or the next, the system prompt `system`, or with null none at all.

        An attempt for which nothing was baked has that of its agent's profile.

        Raises:
            InvalidTransition: neither of these, or the task has settled.
            BadValue, LimitExceeded: not text, or more than `prompt_rendered_chars`.
        """
        _, task = await self._open_task(token, "bake_worker_system_prompt", task_id)
        if system is not None:
            values.check_text(system, "system", self.limits.prompt_rendered_chars)
        self.commit_to(task.log, (steering.bake_system(task, attempt, system, self.ledger.now()),))
        await self.ledger.flushed()

    async def _payload(self, token: Bearer, act: str, task_id: str) -> WorkerPayload:
        _, task = await self._open_task(token, act, task_id)
        job = self.find_job(task)
        if job is None:
            raise AttemptEnded(f"task {task_id} has no live attempt")
        payload = WorkerPayload.of(await self.dispatcher.given(job))
        await self.ledger.flushed()
        return payload
