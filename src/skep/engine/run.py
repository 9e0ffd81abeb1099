"""One open run: it makes the world match what the machine wants (DESIGN section 6).

Events are committed, the fold turns them into the machine's inputs, the machine says what changed, and that is
carried out: new steps are created and started, dropped ones cancelled, the end recorded. Live runs and
recovered ones go through the same code.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skep import values
from skep.core import events as ev
from skep.core import transitions
from skep.core.state import RunState
from skep.core.tasks import TaskState
from skep.core.transitions import Failure
from skep.engine.dispatch import SHUTDOWN, Dispatcher, Job
from skep.engine.fold import RunFold
from skep.engine.info import RunInfo, summary_of
from skep.engine.plan import Plan, Route
from skep.errors import LimitExceeded, SkepError
from skep.flow.inputs import Changes, Ended, Want
from skep.flow.machine import Machine
from skep.ids import new_id, secret_hex

if TYPE_CHECKING:
    from skep.clock import TimerHandle

log = logging.getLogger("skep.engine")


class RunDriver:
    """Owns one run's machine, jobs and timers. `finished` resolves when the end of the run is durable."""

    def __init__(self, dispatcher: Dispatcher, run_id: str, plan: Plan, base_dir: str | None) -> None:
        self.run_id = run_id
        self.log = f"run:{run_id}"
        self.plan = plan
        self.finished: asyncio.Future[RunInfo] = asyncio.get_running_loop().create_future()
        self.finished.add_done_callback(_retrieved)
        self.jobs: dict[str, Job] = {}
        self._dispatcher = dispatcher
        self._ledger = dispatcher.ledger
        self._base_dir = base_dir
        self._machine = Machine(plan.program)
        self._fold = RunFold(self._ledger)
        self._ready: deque[Job] = deque()
        self._runners: set[asyncio.Task[None]] = set()
        self._timers: dict[str, TimerHandle] = {}
        self._unacked: deque[int] = deque()
        self._draining = False
        self._closed = False
        self._end: Ended | None = None

    @property
    def state(self) -> RunState:
        return self._ledger.state.runs[self.run_id]

    # -- commands ------------------------------------------------------------------------------

    def start(self, started: ev.RunStarted) -> None:
        """Record the start and everything that follows from it."""
        self.commit((started,), summary=True)
        self._arm_deadline()
        self._launch()

    def cancel(self, reason: str) -> None:
        """Ask the run to end; harmless when it has ended or is ending."""
        if self._closed or self.run_id not in self._ledger.state.runs:
            return
        events = transitions.request_cancel(self._ledger.state, self.run_id, reason, self._ledger.now())
        if events:
            self.commit(events, summary=True)
            self._launch()

    def cancel_task(self, task: TaskState) -> None:
        """Cancel one task: its token ends at once, its worker is told, nothing more from it counts."""
        self.commit((transitions.cancel_task(task, self._ledger.now()),))
        self._end_worker(task, "cancelled")
        self._launch()

    def adopt(self, job: Job) -> None:
        """Run an attempt of a task that was started inside this run, beside the flow's own."""
        self.jobs[job.task.id] = job
        self._ready.append(job)
        self._launch()

    def commit(self, events: Sequence[ev.Event], *, summary: bool = False) -> int:
        """Commit events of this run and carry out what they mean to the flow."""
        row = summary_of(self._ledger.state, events, self.run_id) if summary else None
        seq = self._ledger.commit(self.log, events, summary=row, observer=self._fold.observe)
        self._drain()
        return seq

    def replay(self, version: int, event: ev.Event) -> None:
        """Take in an event that is already recorded; `reconcile` acts on where that leads."""
        self._ledger.replay(self.log, version, event, self._fold.observe)
        while self._fold.inputs:
            ended = self._machine.feed(self._fold.inputs.popleft()).ended
            self._end = ended or self._end

    def reconcile(self, generation: int) -> None:
        """After replay: whatever the machine wants exists, and nothing else goes on."""
        now = self._ledger.now()
        self.commit((ev.RunRecovered(at=now, run_id=self.run_id, generation=generation),), summary=True)
        wanted = {want.key: want for want in self._machine.wanted()}
        for task in [task for task in self._ledger.state.tasks.values() if task.run_id == self.run_id]:
            self._recover_task(task, wanted)
        known = self.state.tasks if self.run_id in self._ledger.state.runs else {}
        self._create([want for want in self._machine.wanted() if want.key not in known])
        if self._end is not None:
            self._finish(self._end)
        self._arm_deadline()
        self._launch()

    async def close(self) -> None:
        """End all workers and leave the run as a crash would: another owner may take it up."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        for job in tuple(self.jobs.values()):
            job.cancel.cancel(SHUTDOWN)
        if self._runners:
            await asyncio.wait(self._runners)

    def fail(self, error: BaseException) -> None:
        """The journal failed or the run belongs to somebody else: end the workers, tell who waits (R-stop)."""
        self._closed = True
        for job in tuple(self.jobs.values()):
            job.cancel.cancel(SHUTDOWN)
        if not self.finished.done():
            self.finished.set_exception(error)

    # -- what the machine says -----------------------------------------------------------------

    def _drain(self) -> None:
        if self._draining:
            return
        self._draining = True
        started = time.perf_counter()
        try:
            inputs = self._fold.inputs
            while inputs:
                self._carry_out(self._machine.feed(inputs.popleft()))
        finally:
            self._draining = False
            self._ledger.measured("run.drain", started)

    def _carry_out(self, changes: Changes) -> None:
        for key in changes.dropped:
            task_id = self.state.tasks.get(key)
            if task_id is not None:
                self._drop(self._ledger.state.tasks[task_id])
        if changes.wants:
            self._create(changes.wants)
        if changes.ended is not None:
            self._finish(changes.ended)

    def _create(self, wants: Sequence[Want]) -> None:
        if not wants:
            return
        now = self._ledger.now()
        events: list[ev.Event] = []
        jobs: list[tuple[str, Want, Route]] = []
        room = self._ledger.limits.max_open_tasks - self.state.open_tasks
        if len(wants) > room:
            raise LimitExceeded(
                "max_open_tasks",
                self._ledger.limits.max_open_tasks,
                where=self.log,
                fix="set max_concurrency",
            )
        for want in wants:
            route = self.plan.route(want.agent)
            created = ev.TaskCreated(
                at=now,
                task_id=new_id("T-"),
                agent=want.agent,
                run_id=self.run_id,
                step_key=want.key,
                digest=want.digest,
                retry=want.retry or route.retry,
                timeout_ms=int(want.timeout * 1000) if want.timeout is not None else route.timeout_ms,
            )
            events += (created, transitions.first_attempt(created, secret_hex()))
            jobs.append((created.task_id, want, route))
        self.commit(events)
        tasks = self._ledger.state.tasks
        for task_id, want, route in jobs:
            self._enqueue(tasks[task_id], want, route)

    def _enqueue(self, task: TaskState, want: Want, route: Route) -> None:
        run = self.state
        job = Job(
            task,
            route,
            values.canonical(want.input),
            work_dir=run.work_dir,
            blueprint_dir=self._base_dir,
            durability=run.durability,
        )
        self.jobs[task.id] = job
        self._ready.append(job)

    def _drop(self, task: TaskState) -> None:
        """A step that the flow no longer wants, and the children that its attempt started."""
        if task.status != "cancelled":
            self.commit((transitions.cancel_task(task, self._ledger.now()),))
        self._end_worker(task, "cancelled")

    def _end_worker(self, task: TaskState, reason: str) -> None:
        timer = self._timers.pop(task.id, None)
        if timer is not None:
            timer.cancel()
        job = self.jobs.get(task.id)
        if job is not None:
            job.cancel.cancel(reason)

    def _finish(self, ended: Ended) -> None:
        now = self._ledger.now()
        for task in [task for task in self._ledger.state.tasks.values() if task.run_id == self.run_id]:
            self._end = ended
            if task.status != "cancelled":
                self._drop(task)
        if any(task.run_id == self.run_id for task in self._ledger.state.tasks.values()):
            return
        event, result = self._finished_event(ended, now)
        info = RunInfo.at_end(self.state, event, result)
        self.commit((event,), summary=True)
        for timer in self._timers.values():
            timer.cancel()
        asyncio.get_running_loop().create_task(self._announce(info))

    def _finished_event(self, ended: Ended, now: int) -> tuple[ev.RunFinished, Any]:
        if ended.status == "cancelled":
            status: ev.RunEnd = "timeout" if ended.reason == "timeout" else "cancelled"
            code = "E-RUN-TIMEOUT" if status == "timeout" else "E-RUN-CANCELLED"
            error: dict[str, Any] = {"code": code, "message": f"run was ended: {ended.reason}"}
            return ev.RunFinished(at=now, run_id=self.run_id, status=status, error=error), None
        if ended.status == "failed":
            return ev.RunFinished(at=now, run_id=self.run_id, status="failed", error=ended.error), None
        try:
            data = values.encode(ended.ctx, self._ledger.limits, where="result")
        except SkepError as refused:
            return ev.RunFinished(at=now, run_id=self.run_id, status="failed", error=refused.to_dict()), None
        content = self._ledger.store(data, self.log, self.run_id)
        self._ledger.release(self.run_id)
        return ev.RunFinished(at=now, run_id=self.run_id, status="done", result=content), values.decode(data)

    async def _announce(self, info: RunInfo) -> None:
        """The end is told when it is durable (R-ack)."""
        try:
            await self._ledger.flushed()
        except SkepError as error:
            self.fail(error)
            return
        self._closed = True
        if not self.finished.done():
            self.finished.set_result(info)

    # -- attempts ------------------------------------------------------------------------------

    def _launch(self) -> None:
        while self._ready:
            self._start_runner(self._ready.popleft())

    def _start_runner(self, job: Job) -> None:
        runner = asyncio.get_running_loop().create_task(self._run(job))
        self._runners.add(runner)
        runner.add_done_callback(self._runners.discard)

    async def _run(self, job: Job) -> None:
        """Perform an attempt and then, in the same asyncio task, the first one that follows from it."""
        following: Job | None = job
        while following is not None:
            if job.route.runs_ahead:
                await self._stay_near()
            following = await self._perform(following)

    async def _perform(self, job: Job) -> Job | None:
        try:
            failure = await self._dispatcher.execute(job)
            if self._closed or job.cancel.reason == SHUTDOWN:
                return None
            self._settle(job, failure)
        except SkepError as error:
            self._broken(error)
            return None
        following = self._ready.popleft() if self._ready else None
        self._launch()
        return following

    async def _stay_near(self) -> None:
        """In-process steps run ahead of the journal by at most `max_ahead` (R-ack)."""
        unacked = self._unacked
        if len(unacked) < self._ledger.limits.max_ahead:
            return
        journal = self._ledger.journal
        if unacked[0] > journal.durable:
            await journal.flushed(unacked[0])
        durable = journal.durable
        while unacked and unacked[0] <= durable:
            unacked.popleft()

    def _settle(self, job: Job, failure: Failure | None) -> None:
        task = job.task
        self.jobs.pop(task.id, None)
        self._unacked.append(self.commit(self._dispatcher.settle_events(job, failure)))
        if task.children:
            self._end_children(task)
        if task.status == "pending":
            self._retry_later(task, job)
        elif self._end is not None and self.run_id in self._ledger.state.runs:
            self._finish(self._end)

    def _end_children(self, parent: TaskState) -> None:
        for task in [task for task in self._ledger.state.tasks.values() if task.parent == parent.id]:
            self._drop(task)

    def _retry_later(self, task: TaskState, job: Job) -> None:
        def retry() -> None:
            self._timers.pop(task.id, None)
            self._again(task, job.route, job.data)
            self._launch()

        self._timers[task.id] = self._ledger.clock.call_at(task.retry_at or 0, retry)

    def _again(self, task: TaskState, route: Route, data: bytes) -> None:
        if self._closed or task.status != "pending":
            return
        self.commit((transitions.start_attempt(task, self._ledger.now(), secret_hex()),))
        run = self.state
        job = Job(
            task, route, data, work_dir=run.work_dir, blueprint_dir=self._base_dir, durability=run.durability
        )
        self.jobs[task.id] = job
        self._ready.append(job)

    # -- recovery and timers -------------------------------------------------------------------

    def _recover_task(self, task: TaskState, wanted: dict[str, Want]) -> None:
        want = wanted.get(task.step_key) if task.step_key is not None else None
        if want is None:
            self._recover_unwanted(task)
            return
        route = self.plan.route(task.agent)
        data = values.canonical(want.input)
        if task.live:
            if task.final is not None:
                self._adopt_recorded(task, route, data)
                return
            now = self._ledger.now()
            limits = self._ledger.limits
            self.commit(
                transitions.interrupt_attempt(task, now, on_interrupt=route.on_interrupt, limits=limits)
            )
        if task.status == "pending":
            job = Job(task, route, data)
            self._retry_later(task, job) if task.retry_at else self._again(task, route, data)

    def _recover_unwanted(self, task: TaskState) -> None:
        """A step that had been dropped, or a child of an attempt that is gone."""
        if task.status != "cancelled":
            self.commit((transitions.cancel_task(task, self._ledger.now()),))
        if task.live:
            self.commit(transitions.complete_attempt(task, None, self._ledger.now()))

    def _adopt_recorded(self, task: TaskState, route: Route, data: bytes) -> None:
        """Its worker had delivered before the host died: the layers run again, the worker does not."""
        recorded = self.plan.recorded(route)
        run = self.state
        job = Job(
            task,
            recorded,
            data,
            work_dir=run.work_dir,
            blueprint_dir=self._base_dir,
            durability=run.durability,
        )
        self.jobs[task.id] = job
        self._ready.append(job)

    def _arm_deadline(self) -> None:
        run = self._ledger.state.runs.get(self.run_id)
        if run is not None and run.deadline is not None:
            self._timers[""] = self._ledger.clock.call_at(run.deadline, lambda: self.cancel("timeout"))

    def _broken(self, error: SkepError) -> None:
        """A transition that must not fail did: the run stops here and stays as it is recorded."""
        log.error("run %s cannot go on: %s", self.run_id, error)
        self.fail(error)


def _retrieved(finished: asyncio.Future[RunInfo]) -> None:
    """A run that nobody waits for may fail without a warning from asyncio; the error was logged."""
    if not finished.cancelled():
        finished.exception()
