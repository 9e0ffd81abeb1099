"""The token-guarded verbs on sessions and tasks (the reference's engine API, DESIGN section 5).

Each takes the transport form of a capability first and is checked by the gate before anything else.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from skep import values
from skep.core import events as ev
from skep.core import outcomes, transitions
from skep.core.outputs import OutputEvent
from skep.core.roles import PUBLISHED_GATE, Role
from skep.core.tasks import SETTLED, TaskState
from skep.core.tokens import TokenRecord
from skep.core.transitions import Failure
from skep.engine.dispatch import SHUTDOWN, Job
from skep.engine.guarded import Guarded
from skep.engine.history import output_tail, settled_task
from skep.engine.question_acts import seconds
from skep.errors import (
    DispatchFailed,
    InvalidTransition,
    LimitExceeded,
    NotRegistered,
    RoleViolation,
    TaskNotFound,
    TokenTaskMismatch,
)
from skep.ids import new_id, new_nonce

if TYPE_CHECKING:
    from skep.engine.plan import Route
    from skep.engine.tokens import Bearer


MAX_TTL = 10 * 365 * 24 * 3600.0
"""Seconds that a session's token may live."""


class Acts(Guarded):
    """Sessions and tasks as methods; a base of `Engine`, which has the rest."""

    async def attach(
        self, operator_id: str, role: Role, *, ttl: float = 3600.0, max_uses: int | None = None
    ) -> str:
        """Open a session; returns its token, which lives `ttl` seconds and allows `max_uses` calls (null: any number).

        Raises:
            RoleViolation: no such role.
        """
        if role not in PUBLISHED_GATE:
            raise RoleViolation(role, "attach_session")
        values.check_text(operator_id, "operator_id", 256)
        if not 0 < ttl <= MAX_TTL:
            raise LimitExceeded("ttl", MAX_TTL, where="attach", fix="give seconds above 0")
        now = self.ledger.now()
        session_id = new_id("S-")
        event = ev.SessionAttached(
            at=now,
            session_id=session_id,
            operator_id=operator_id,
            role=role,
            nonce=new_nonce(),
            expire_at=now + int(ttl * 1000),
            max_uses=max_uses,
        )
        await self.dispatcher.tokens.logs.begin(f"session:{session_id}")
        self.ledger.commit(f"session:{session_id}", (event,))
        await self.ledger.flushed()
        return self.dispatcher.tokens.issue(event.nonce, now)

    def verify_token(self, token: Bearer, verb: str, task_id: str | None = None) -> TokenRecord:
        """Check a token for `verb`, for one task when given; spends a use. Raises as `TokenOffice.verify`."""
        return self.dispatcher.tokens.verify(token, verb, task_id)

    async def start_task(self, token: Bearer, agent: str, directive: Any) -> str:
        """Open a task for `agent` and return its id; a worker's task becomes a child of the worker's own.

        Raises:
            NotRegistered: no such agent, or not one of the worker's run.
            SpawnDepthExceeded, LimitExceeded: the bounds of DESIGN section 5.
        """
        record = self.verify_token(token, "start_task")
        route = self._route(agent, record.run_id)
        data = values.encode(directive, self.limits, where="directive")
        task_id = new_id("T-")
        log = f"run:{record.run_id}" if record.run_id else self._session_log(record)
        event = transitions.create_task(
            self.ledger.state,
            task_id=task_id,
            agent=agent,
            at=self.ledger.now(),
            run_id=record.run_id,
            session_id=log.removeprefix("session:") if record.run_id is None else None,
            directive=self.ledger.store(data, log, task_id),
            parent=record.task_id,
            retry=route.retry,
            timeout_ms=route.timeout_ms,
            limits=self.limits,
        )
        self.commit_to(log, (event,))
        await self.ledger.flushed()
        return task_id

    async def dispatch_attempt(self, token: Bearer, task_id: str) -> outcomes.DispatchOutcome:
        """Run the next attempt of a started task to its end.

        Raises:
            DispatchFailed: the worker could not be started, failed, or left no final.
            InvalidTransition: the task is not pending.
        """
        self.verify_token(token, "dispatch_attempt", task_id)
        task = transitions.get_task(self.ledger.state, task_id)
        if task.step_key is not None:
            raise InvalidTransition(
                f"task {task_id} is a step of its flow", fix="the run dispatches it itself"
            )
        route = self._route(task.agent, task.run_id)
        self.commit_to(task.log, (transitions.start_attempt(task, self.ledger.now(), new_nonce()),))
        performing = self.background.run(self._perform(self._job(task, route)))
        return await asyncio.shield(performing)

    async def read_task_state(self, token: Bearer, task_id: str) -> TaskState:
        """A snapshot of a task, settled ones included."""
        if task_id in self.ledger.state.tasks:
            self.verify_token(token, "read_task_state", task_id)
            return self.ledger.state.tasks[task_id].snapshot()
        return await self._settled_task(token, task_id)

    async def poll_task(self, token: Bearer, task_id: str, hold: float = 0.0) -> TaskState:
        """A task once it has settled or is suspended; waits up to `hold` seconds for that.

        Raises:
            PollTimeout: it goes on.
            TaskNotFound: no such task.
        """
        patience = seconds(hold, "hold") or 0.0
        await self.admit(token, "poll_task", task_id)
        tasks = self.ledger.state.tasks

        def rests() -> bool:
            task = tasks.get(task_id)
            return task is None or task.status == "suspended" or task.status in SETTLED

        if not rests():
            if patience == 0.0:
                return tasks[task_id].snapshot()
            await self.ledger.waiters.until(task_id, rests, patience)
        await self.ledger.flushed()
        return await self.read_task_state(token, task_id)

    async def cancel_task(self, token: Bearer, task_id: str) -> None:
        """Cancel a task: its token ends at once, its worker is ended, nothing more from it counts.

        Raises:
            InvalidTransition: it has settled.
        """
        self.verify_token(token, "cancel_task", task_id)
        task = transitions.get_task(self.ledger.state, task_id)
        driver = self.drivers.get(task.run_id) if task.run_id else None
        if driver is not None:
            driver.cancel_task(task)
        else:
            self.commit_to(task.log, transitions.cancel_task(task, self.ledger.now()))
            job = self._session_jobs.get(task_id)
            if job is not None:
                self.dispatcher.end(job, "cancelled")
        await self.ledger.flushed()

    def fetch_prompt(self, token: Bearer, task_id: str) -> str:
        """The prompt of the task's live attempt, for its own worker.

        Raises:
            TaskNotFound: the task has no live attempt.
        """
        self.verify_token(token, "fetch_prompt", task_id)
        task = transitions.get_task(self.ledger.state, task_id)
        job = self.find_job(task)
        if job is None:
            raise TaskNotFound(f"task {task_id} has no live attempt")
        given = values.decode(job.data)
        return given if isinstance(given, str) else job.data.decode()

    async def submit_output(self, token: Bearer, task_id: str, attempt: int, event: OutputEvent) -> None:
        """Record an output of the task's live attempt; returns when it is durable.

        Raises:
            AttemptEnded: the attempt is not the live one (R-once).
        """
        self.verify_token(token, "emit_output", task_id)
        task = self.ledger.state.tasks.get(task_id)
        transitions.check_live(task, attempt)
        job = self.find_job(transitions.get_task(self.ledger.state, task_id))
        if job is None or job.channel is None:
            raise TaskNotFound(f"task {task_id} has no live attempt")
        job.channel.emit(event)
        await self.ledger.flushed()

    async def output_tail(self, token: Bearer, task_id: str, attempt: int) -> list[OutputEvent]:
        """The recorded outputs of one attempt, oldest first."""
        state = await self.read_task_state(token, task_id)
        await self.ledger.flushed()
        return await output_tail(self.ledger.journal, state.log, task_id, attempt)

    # -- inside --------------------------------------------------------------------------------

    _session_jobs: dict[str, Job]

    async def _settled_task(self, token: Bearer, task_id: str) -> TaskState:
        """A task that has left memory: only its log still knows whose child it was."""
        record = self.verify_token(token, "read_task_state")
        await self.ledger.flushed()
        settled = await settled_task(self.ledger.journal, self._log(record), task_id)
        if record.task_id is not None and (settled is None or settled.parent != record.task_id):
            raise TokenTaskMismatch(record.task_id, task_id)
        if settled is None:
            raise TaskNotFound(f"no task {task_id}")
        return settled

    def _route(self, agent: str, run_id: str | None) -> Route:
        """A worker starts only agents of its own run; a session those that are registered."""
        driver = self.drivers.get(run_id) if run_id else None
        route = driver.plan.routes.get(agent) if driver is not None else self.planner.registered_route(agent)
        if route is None:
            raise NotRegistered(f"worker not registered: {agent}")
        return route

    def _job(self, task: TaskState, route: Route) -> Job:
        assert task.directive is not None  # noqa: S101 - start_task gave it
        data = values.canonical(self.ledger.value(task.directive, task.id))
        driver = self.drivers.get(task.run_id) if task.run_id else None
        if driver is not None:
            return driver.attempts.job(task, route, data)
        job = self._session_jobs[task.id] = Job(task, route, data)
        return job

    async def _perform(self, job: Job) -> outcomes.DispatchOutcome:
        """Execute and settle, whether or not the caller still waits or the worker ever ends."""
        task = job.task
        given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        job.stuck = lambda _: given_up.set_result(None)
        executing = asyncio.get_running_loop().create_task(self.dispatcher.execute(job))
        await asyncio.wait({executing, given_up}, return_when=asyncio.FIRST_COMPLETED)
        failure = executing.result() if executing.done() else job.end_failure()
        if job.cancel.reason == SHUTDOWN:
            raise InvalidTransition(f"the engine closed under task {task.id}")
        final = job.last_final
        value = self.ledger.value(final.content, task.id) if final is not None else None
        self._settle(job, failure)
        await self.ledger.flushed()
        return _outcome(task, transitions.judge(failure, final), value)

    def find_job(self, task: TaskState) -> Job | None:
        driver = self.drivers.get(task.run_id) if task.run_id else None
        return driver.attempts.jobs.get(task.id) if driver is not None else self._session_jobs.get(task.id)

    def _settle(self, job: Job, failure: Failure | None) -> None:
        driver = self.drivers.get(job.task.run_id) if job.task.run_id else None
        if driver is not None:
            driver.attempts.settle(job, failure)
            return
        self._session_jobs.pop(job.task.id, None)
        self.commit_to(job.task.log, self.dispatcher.settle_events(job, failure))

    def _session_log(self, record: TokenRecord) -> str:
        if record.session_id is not None:
            return f"session:{record.session_id}"
        task = self.ledger.state.tasks.get(record.task_id or "")
        if task is None:
            raise TaskNotFound("the worker's task has settled")
        return task.log

    def _log(self, record: TokenRecord) -> str:
        return f"run:{record.run_id}" if record.run_id else self._session_log(record)


def _outcome(task: TaskState, failure: Failure | None, value: Any) -> outcomes.DispatchOutcome:
    if task.status == "cancelled":
        return outcomes.Cancelled()
    if task.status == "timeout":
        return outcomes.Timeout()
    if failure is None:
        return outcomes.Pass(value)
    if failure.reason == "blocked":
        return outcomes.Blocked(value)
    raise DispatchFailed(f"dispatch failed: {failure.message}", where=f"task {task.id}")
