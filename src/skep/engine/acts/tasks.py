"""The token-guarded verbs on sessions and tasks (the reference's engine API, DESIGN section 5).

Each takes a capability first and is checked by the gate before anything else.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from skep import values
from skep.core import outcomes, transitions
from skep.core.outputs import Final, Inline, OutputEvent
from skep.core.tasks import TaskState
from skep.core.tokens import TokenRecord
from skep.engine.acts.questions import LOOK_SECONDS
from skep.engine.acts.task_guard import MAX_ID
from skep.engine.attempts.performing import Performing
from skep.engine.attempts.replies import Replies
from skep.engine.attempts.rest import Rests, is_at_rest
from skep.engine.questions.asks import seconds
from skep.engine.reading.history import TaskReader, output_tail
from skep.errors import (
    AttemptEnded,
    InvalidTransition,
    LimitExceeded,
    NotRegistered,
    PollTimeout,
    TaskNotFound,
    TokenNotFound,
)
from skep.ids import new_id, new_nonce

if TYPE_CHECKING:
    from skep.engine.runs.plan import Route
    from skep.engine.tokens.office import Bearer


class Acts(Performing):
    """Sessions and tasks as methods; a base of `Engine`, which has the rest."""

    replies: Replies
    rests: Rests

    def verify_token(self, token: Bearer, verb: str, task_id: str | None = None) -> TokenRecord:
        """Check a token for `verb`, for one task when given; spends a use. Raises as `TokenOffice.verify`."""
        return self.dispatcher.tokens.verify(token, verb, task_id)

    async def start_task(self, token: Bearer, agent: str, directive: Any) -> str:
        """Open a task for `agent` and return its id; a worker's task becomes a child of the worker's own.

        Raises:
            NotRegistered: no such agent, or not one of the worker's run.
            SpawnDepthExceeded, LimitExceeded: the bounds of DESIGN section 5.
            BadValue: a directive that cannot be recorded.
        """
        values.check_text(agent, "agent", MAX_ID)
        record = await self.admit(token, "start_task", agent=agent)
        route = self._route(agent, record.run_id)
        data = values.encode(directive, self.limits, where="directive")
        log = self._log(record)
        if record.run_id is None:
            self._check_room(log)
        task_id = new_id("T-")
        event = transitions.create_task(
            self.ledger.state,
            task_id=task_id,
            agent=agent,
            at=self.ledger.now(),
            run_id=record.run_id,
            session_id=log.removeprefix("session:") if record.run_id is None else None,
            directive=self.ledger.store(data, log, task_id, "input"),
            parent=record.task_id,
            retry=route.retry,
            timeout_ms=route.timeout_ms,
            limits=self.limits,
        )
        self.commit_to(log, (event,))
        await self.ledger.flushed()
        return task_id

    async def dispatch_attempt(self, token: Bearer, task_id: str) -> outcomes.DispatchOutcome:
        """Run the next attempt of a started task: to its end, or until it waits for an answer.

        While the run is paused, this waits. A suspended attempt goes on in the background; `poll_task` follows it.

        Raises:
            DispatchFailed: the worker could not be started, failed, or left no final.
            InvalidTransition: the task is not pending.
        """
        _, task = await self._open_task(token, "dispatch_attempt", task_id)
        if task.step_key is not None:
            raise InvalidTransition(
                f"task {task_id} is a step of its flow", fix="the run dispatches it itself"
            )
        await self._until_not_paused(task)
        route = self._route(task.agent, task.run_id)
        nonce = new_nonce()
        digest = self.dispatcher.handle_digest(nonce) if route.pulls else None
        self.commit_to(task.log, (transitions.start_attempt(task, self.ledger.now(), nonce, digest),))
        return await self._outcome(task, self._job(task, route))

    async def read_task_state(self, token: Bearer, task_id: str, *, run_id: str | None = None) -> TaskState:
        """A snapshot of a task, settled ones included.

        A settled task is looked for in the run `run_id`, else where the token can know of it, else in the store's
        newest runs.

        Raises:
            TaskNotFound: no such task.
        """
        _, task = await self._admit_task(token, "read_task_state", task_id, run_id)
        return await self._durably(task)

    async def poll_task(
        self, token: Bearer, task_id: str, hold: float = 0.0, *, run_id: str | None = None
    ) -> TaskState:
        """A task once it has settled or is suspended; waits up to `hold` seconds for that, 0 not at all.

        Raises:
            PollTimeout: it goes on.
            TaskNotFound: no such task.
        """
        patience = seconds(hold, "hold") or 0.0
        _, task = await self._admit_task(token, "poll_task", task_id, run_id)
        if patience == 0.0 or is_at_rest(task):
            return await self._durably(task)
        if self.ledger.state.tasks.get(task_id) is not task:
            return await self._poll_elsewhere(task, patience)
        return await self.rests.of(task, patience)

    async def cancel_task(self, token: Bearer, task_id: str) -> None:
        """Cancel a task: its token ends at once, its worker is ended, nothing more from it counts.

        Raises:
            InvalidTransition: it has settled.
        """
        _, task = await self._open_task(token, "cancel_task", task_id)
        self._end_task(task)
        await self.ledger.flushed()

    async def submit_output(self, token: Bearer, task_id: str, attempt: int, event: OutputEvent) -> None:
        """Record an output of the task's live attempt; returns when it is durable.

        The same result again, because its reply was lost, is answered again and changes nothing.

        Raises:
            AttemptEnded: the attempt is not the live one (R-once).
            BadValue, BadFileRef, LimitExceeded: the output cannot be recorded.
        """
        await self._submit(token, "submit_output", task_id, attempt, event)

    async def post_result(self, token: Bearer, task_id: str, value: Any, *, ok: bool = True) -> None:
        """Submit the result of the task's live attempt: `submit_output` of a `final`."""
        final = Final(Inline(Raw(values.encode(value, self.limits, where="result"))), ok)
        await self._submit(token, "post_result", task_id, None, final)

    async def output_tail(
        self, token: Bearer, task_id: str, attempt: int, *, run_id: str | None = None
    ) -> list[OutputEvent]:
        """The recorded outputs of one attempt, oldest first."""
        _, task = await self._admit_task(token, "output_tail", task_id, run_id)
        await self.ledger.flushed()
        return await output_tail(self.ledger.journal, task.log, task_id, attempt)

    # -- inside --------------------------------------------------------------------------------

    async def _submit(
        self, token: Bearer, act: str, task_id: str, attempt: int | None, event: OutputEvent
    ) -> None:
        try:
            await self.admit(token, act, task_id)
            self._accept(token, task_id, attempt, event)
        except (TokenNotFound, AttemptEnded):
            if self.replies.find(token, task_id, attempt, event) is None:
                raise
        await self.ledger.flushed()

    def _accept(self, token: Bearer, task_id: str, attempt: int | None, event: OutputEvent) -> None:
        task = self.ledger.state.tasks.get(task_id)
        number = task.attempt if attempt is None and task is not None else attempt or 0
        transitions.check_live(task, number)
        job = self.find_job(task) if task is not None else None
        if job is None:
            raise AttemptEnded(f"task {task_id} has no live attempt")
        reply = self.replies.find(token, task_id, number, event)
        if reply is None or reply.recorded is not job.last_final:
            self.dispatcher.channel(job).emit(event)
            self.replies.note(token, task_id, number, event, job.last_final)

    async def _durably(self, task: TaskState) -> TaskState:
        """The task as it is now, once that is durable (R-ack)."""
        snapshot = task.snapshot()
        await self.ledger.flushed()
        return snapshot

    async def _poll_elsewhere(self, task: TaskState, patience: float) -> TaskState:
        """A task of a run that another process owns, or nobody: its log says what becomes of it."""
        loop = asyncio.get_running_loop()
        due = loop.time() + patience
        reader = TaskReader(self.ledger.journal, task.log, task.id)
        while not is_at_rest(task):
            left = due - loop.time()
            if left <= 0:
                raise PollTimeout(f"task {task.id} is {task.status} after {patience} s")
            await asyncio.sleep(min(LOOK_SECONDS, left))
            await self.ledger.flushed()
            task = await reader.look() or task
        return task

    def _route(self, agent: str, run_id: str | None) -> Route:
        """A worker starts only agents of its own run; a session those that are registered."""
        driver = self.drivers.get(run_id) if run_id else None
        route = driver.plan.routes.get(agent) if driver is not None else self.planner.registered_route(agent)
        if route is None:
            raise NotRegistered(f"worker not registered: {agent}")
        return route

    def _check_room(self, log: str) -> None:
        """As a run, a session has at most `max_open_tasks` open tasks."""
        tasks, limit = self.ledger.state.tasks, self.limits.max_open_tasks
        if len(tasks) >= limit and sum(task.log == log for task in tasks.values()) >= limit:
            raise LimitExceeded("max_open_tasks", limit, where=log)

    def _log(self, record: TokenRecord) -> str:
        if record.run_id is not None:
            return f"run:{record.run_id}"
        if record.task_id is not None:
            return transitions.get_task(self.ledger.state, record.task_id).log
        if record.session_id is None:
            raise TaskNotFound("the bearer has neither a session nor a task")
        self.dispatcher.tokens.logs.check_owned(record)
        return f"session:{record.session_id}"
