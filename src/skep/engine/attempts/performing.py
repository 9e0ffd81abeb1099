"""Attempts of started tasks: performed and settled, whether or not who dispatched them still waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from skep import values
from skep.core import outcomes, transitions
from skep.core.transitions import Failure
from skep.engine.acts.task_guard import TaskGuard
from skep.engine.attempts.dispatch import OVERRIDDEN, SHUTDOWN, Job
from skep.engine.sessions.backends import of_session
from skep.errors import DispatchFailed, InvalidTransition

if TYPE_CHECKING:
    from skep.core.tasks import TaskState, Verdict
    from skep.engine.runs.plan import Route


class Performing(TaskGuard):
    """A base of the acts that begin and end attempts."""

    async def _until_not_paused(self, task: TaskState) -> None:
        """Wait while the task's run is paused."""
        runs, run_id = self.ledger.state.runs, task.run_id
        if run_id is None or run_id not in runs or not runs[run_id].paused:
            return
        await self.ledger.waiters.until(
            f"run:{run_id}", lambda: run_id not in runs or not runs[run_id].paused
        )

    def _job(self, task: TaskState, route: Route) -> Job:
        """The next attempt of a started task."""
        assert task.directive is not None  # noqa: S101 - start_task gave it
        data = values.canonical(self.ledger.value(task.directive, task.id))
        driver = self.drivers.get(task.run_id) if task.run_id else None
        if driver is not None:
            return driver.attempts.job(task, route, data)
        job = self._session_jobs[task.id] = Job(task, route, data)
        session = self.ledger.state.sessions.get(task.session_id or "")
        if session is not None:
            job.backing = of_session(session)
        return job

    async def _outcome(self, task: TaskState, job: Job) -> outcomes.DispatchOutcome:
        """Perform an attempt; how it ended, or the key of the question that suspended it."""
        performing = self.background.run(self._perform(job))
        suspended = self.background.run(self._suspended(task))
        try:
            await asyncio.wait({performing, suspended}, return_when=asyncio.FIRST_COMPLETED)
            if not performing.done():
                return outcomes.Suspended(suspended.result())
        finally:
            suspended.cancel()
        return performing.result()

    def _end_task(self, task: TaskState) -> None:
        """Cancel an open task and tell its worker to end."""
        driver = self.drivers.get(task.run_id) if task.run_id else None
        if driver is not None:
            driver.cancel_task(task)
            return
        if task.status != "cancelled":
            self.commit_to(task.log, transitions.cancel_task(task, self.ledger.now()))
        self._end_worker(task, "cancelled")

    def _override_task(self, task: TaskState, verdict: Verdict) -> None:
        """Let an open task end as `verdict` says.

        Raises:
            InvalidTransition: it has settled.
        """
        driver = self.drivers.get(task.run_id) if task.run_id else None
        if driver is not None:
            driver.override(task, verdict)
            return
        self.commit_to(task.log, transitions.override_verdict(task, verdict, self.ledger.now()))
        self._end_worker(task, OVERRIDDEN)

    # -- inside --------------------------------------------------------------------------------

    async def _suspended(self, task: TaskState) -> str:
        """The question that suspends the task, once that is durable."""
        await self.ledger.waiters.until(task.id, lambda: task.status == "suspended")
        key = task.suspended_on or ""
        await self.ledger.flushed()
        return key

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
        content = task.verdict.value if task.verdict is not None else final.content if final else None
        value = self.ledger.value(content, task.id) if content is not None else None
        failure = _judged(task, failure, job)
        self._settle(job, failure)
        await self.ledger.flushed()
        return _said(task, failure, value)

    def _settle(self, job: Job, failure: Failure | None) -> None:
        driver = self.drivers.get(job.task.run_id) if job.task.run_id else None
        if driver is not None:
            driver.attempts.settle(job, failure)
            driver.attempts.launch()
            return
        self._session_jobs.pop(job.task.id, None)
        self.commit_to(job.task.log, self.dispatcher.settle_events(job, failure))
        if job.task.children:
            for child in [task for task in self.ledger.state.tasks.values() if task.parent == job.task.id]:
                self._end_task(child)

    def _end_worker(self, task: TaskState, reason: str) -> None:
        job = self._session_jobs.get(task.id)
        if job is not None:
            self.dispatcher.end(job, reason)


def _judged(task: TaskState, failure: Failure | None, job: Job) -> Failure | None:
    """Why the attempt has not passed; a verdict from above decides before anything that the worker did."""
    verdict = task.verdict
    if verdict is None or task.status == "cancelled":
        return transitions.judge(failure, job.last_final)
    return None if verdict.ok else Failure("blocked")


def _said(task: TaskState, failure: Failure | None, value: Any) -> outcomes.DispatchOutcome:
    if task.status == "cancelled":
        return outcomes.Cancelled()
    if task.status == "timeout":
        return outcomes.Timeout()
    if failure is None:
        return outcomes.Pass(value)
    if failure.reason == "blocked":
        return outcomes.Blocked(value)
    raise DispatchFailed(f"dispatch failed: {failure.message}", where=f"task {task.id}")
