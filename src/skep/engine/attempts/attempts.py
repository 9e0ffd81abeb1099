"""The attempts of one run: queued, performed, settled, retried.

Each runs in an asyncio task that, when an attempt has settled, goes on with the first one that follows from it:
a chain of steps is one task.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence

from skep.clock import TimerHandle
from skep.core import events as ev
from skep.core import transitions
from skep.core.tasks import TaskState
from skep.core.transitions import Failure
from skep.engine.attempts.dispatch import JOIN_SLACK, SHUTDOWN, Dispatcher, Job
from skep.engine.runs.ahead import Ahead
from skep.engine.runs.plan import Route
from skep.engine.sessions.backends import Backing
from skep.errors import SkepError
from skep.ids import new_nonce

log = logging.getLogger("skep.engine")

TURN = 32
"""Attempts that one runner performs before the event loop gets a turn, if none of them waited."""

Commit = Callable[[Sequence[ev.Event]], int]
Broken = Callable[[BaseException], None]
Settled = Callable[[TaskState], None]


class Attempts:
    """Performs attempts; `commit` records for the run, `settled` is told of each end, `broken` of what must not be."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        work_dir: str,
        blueprint_dir: str | None,
        durability: ev.Durability,
        commit: Commit,
        settled: Settled,
        broken: Broken,
        backing: Backing | None,
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self._dispatcher = dispatcher
        self._ledger = dispatcher.ledger
        self._work_dir = work_dir
        self._blueprint_dir = blueprint_dir
        self._durability: ev.Durability = durability
        self._commit = commit
        self._settled = settled
        self._broken = broken
        self._backing = backing
        self._ready: deque[Job] = deque()
        self._runners: set[asyncio.Task[None]] = set()
        self._retries: dict[str, TimerHandle] = {}
        self._held: dict[str, tuple[TaskState, Route, bytes]] = {}
        """What would have begun while the run is paused."""
        self._ahead = Ahead(self._ledger.journal, self._ledger.limits.max_ahead)
        self._closed = False
        self._launching = False
        self._on_stuck = self._stuck

    # -- queueing ------------------------------------------------------------------------------

    def enqueue(self, task: TaskState, route: Route, data: bytes) -> Job:
        """An attempt that has been started in the record; `launch` makes it run."""
        job = self.job(task, route, data)
        self._ready.append(job)
        return job

    def job(self, task: TaskState, route: Route, data: bytes) -> Job:
        """A job that somebody else performs and settles."""
        job = self.jobs[task.id] = Job(
            task, route, data, self._work_dir, self._blueprint_dir, self._durability, self._on_stuck
        )
        if self._backing is not None:
            job.backing = self._backing
        return job

    def launch(self) -> None:
        """Start everything that is queued: by one runner, and by ever more of them while that one waits."""
        if not self._launching:
            self._start(1)

    def _start(self, runners: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(min(runners, len(self._ready))):
            runner = loop.create_task(self._run(self._ready.popleft()))
            self._runners.add(runner)
            runner.add_done_callback(self._runners.discard)
        self._launching = bool(self._ready)
        if self._launching:
            # After the first turn of these runners: what is still queued then waits for none of them.
            loop.call_soon(self._start, runners * 2)

    def next_attempt(self, task: TaskState, route: Route, data: bytes) -> None:
        """Begin the next attempt of a pending task: now, when its backoff is over, or when the run goes on."""
        if task.retry_at is not None and task.retry_at > self._ledger.now():
            self._retries[task.id] = self._ledger.clock.call_at(
                task.retry_at, lambda: self._retry(task, route, data)
            )
            return
        run = self._ledger.state.runs.get(task.run_id or "")
        if run is not None and run.paused:
            self._held[task.id] = (task, route, data)
            return
        nonce = new_nonce()
        digest = self._dispatcher.handle_digest(nonce) if route.pulls else None
        self._commit((transitions.start_attempt(task, self._ledger.now(), nonce, digest),))
        self.enqueue(task, route, data)

    def let_go(self) -> None:
        """Begin what was held while the run was paused; `launch` makes it run."""
        held, self._held = self._held, {}
        for task, route, data in held.values():
            if task.status == "pending":
                self.next_attempt(task, route, data)

    def are_waiting(self) -> bool:
        """Whether every live attempt waits for somebody outside, if there is any."""
        tasks = (job.task for job in self.jobs.values())
        return all(task.status == "suspended" or task.work is not None for task in tasks)

    # -- ending --------------------------------------------------------------------------------

    def end_worker(self, task: TaskState, reason: str) -> None:
        """Tell a task's worker to end; forget its retry."""
        timer = self._retries.pop(task.id, None)
        if timer is not None:
            timer.cancel()
        self._held.pop(task.id, None)
        job = self.jobs.get(task.id)
        if job is not None:
            self._dispatcher.end(job, reason)

    def stop(self) -> None:
        """End every worker without recording anything: another owner may take the run up."""
        self._closed = True
        self._ready.clear()
        for timer in self._retries.values():
            timer.cancel()
        for job in tuple(self.jobs.values()):
            job.cancel.cancel(SHUTDOWN)

    async def stopped(self) -> None:
        """Wait until all runners are gone, or their workers have had their grace."""
        if self._runners:
            await asyncio.wait(self._runners, timeout=self._ledger.limits.kill_grace + JOIN_SLACK)

    def settle(self, job: Job, failure: Failure | None) -> None:
        """Record the end of an attempt and what follows from it."""
        task = job.task
        self.jobs.pop(task.id, None)
        self._ahead.record(self._commit(self._dispatcher.settle_events(job, failure)))
        if task.status == "pending":
            self.next_attempt(task, job.route, job.data)
        self._settled(task)

    # -- running -------------------------------------------------------------------------------

    async def _run(self, job: Job) -> None:
        following: Job | None = job
        performed = 0
        try:
            while following is not None:
                # One that was told to end before its turn has come is not begun.
                failure = following.end_failure()
                if failure is None:
                    failure = await self._dispatcher.execute(following)
                if self._ahead.is_full():
                    await self._room()
                following = self._ended(following, failure)
                performed += 1
                if performed % TURN == 0:
                    await asyncio.sleep(0)
        except SkepError as error:
            self._broken(error)
        except BaseException as error:
            log.exception("a runner of attempts broke")
            self._broken(error)

    async def _room(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            # A cancel that a worker meant for itself, too late: the end of its attempt is recorded all the same.
            await self._ahead.room()

    def _ended(self, job: Job, failure: Failure | None) -> Job | None:
        """Settle the job; the one that its runner goes on with."""
        if self._closed or job.ended:
            return None
        self.settle(job, failure)
        following = self._ready.popleft() if self._ready else None
        if self._ready:
            self.launch()
        return following

    def _stuck(self, job: Job) -> None:
        """Go on without a worker that does not end; its own task is left behind."""
        try:
            self.settle(job, job.end_failure())
            self.launch()
        except SkepError as error:
            self._broken(error)

    def _retry(self, task: TaskState, route: Route, data: bytes) -> None:
        self._retries.pop(task.id, None)
        if self._closed or task.status != "pending":
            return
        try:
            self.next_attempt(task, route, data)
            self.launch()
        except SkepError as error:
            self._broken(error)
