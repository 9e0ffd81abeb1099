"""One open run: it makes the world match what the machine wants (DESIGN section 6).

Events are committed, the fold turns them into the machine's inputs, the machine says what changed, and that is
carried out: new steps are created and started, dropped ones cancelled, the end recorded. Live runs and
recovered ones go through the same code.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any

from skep import values
from skep.clock import TimerHandle
from skep.core import events as ev
from skep.core import steering, transitions
from skep.core.state import EngineState, RunState
from skep.core.tasks import TaskState, Verdict
from skep.engine.attempts.attempts import Attempts
from skep.engine.attempts.dispatch import OVERRIDDEN, Dispatcher
from skep.engine.runs.fold import RunFold, signal_owner
from skep.engine.runs.info import RunInfo, summary_of
from skep.engine.runs.outside import Outside
from skep.engine.runs.plan import Plan, Route
from skep.engine.sessions.backends import of_run
from skep.errors import InvalidTransition, SkepError
from skep.flow.inputs import Changes, Ended, Want
from skep.flow.machine import Machine
from skep.ids import new_id, new_nonce
from skep.journal.base import RunSummary

log = logging.getLogger("skep.engine")


class RunDriver:
    """Owns one run's machine, attempts and deadline. `finished` resolves when the end of the run is durable."""

    def __init__(self, dispatcher: Dispatcher, started: ev.RunStarted, plan: Plan) -> None:
        self.run_id = started.run_id
        self.log = f"run:{started.run_id}"
        self.plan = plan
        self.launchers = frozenset(started.launchers)
        """The sessions whose revocation ends the run."""
        self.revoked = False
        """Whether one of them had been revoked when the run was taken up."""
        self.machine = Machine(plan.program)
        self.finished: asyncio.Future[RunInfo] = asyncio.get_running_loop().create_future()
        self.finished.add_done_callback(_retrieved)
        self.ledger = dispatcher.ledger
        self._handle_digest = dispatcher.handle_digest
        self.attempts = Attempts(
            dispatcher,
            work_dir=started.work_dir,
            blueprint_dir=started.blueprint_dir,
            durability=started.durability,
            commit=self.commit,
            settled=self._attempt_settled,
            broken=self.fail,
            backing=of_run(started.starter, started.operator, plan.blueprint),
        )
        self.outside = Outside(
            self.run_id,
            self.ledger,
            self.machine,
            commit=self.commit,
            launch=self.attempts.launch,
            broken=self.fail,
        )
        self._fold = RunFold(self.ledger, self.outside.observe)
        self.carried_out: set[str] = set()
        """Requests of inbox messages that this run has acted on, as long as they are not settled."""
        self._suspended = False
        self.paused = False
        """As the run's state says; here at hand for every step."""
        self._deadline: TimerHandle | None = None
        self._in_transition = False
        self._max_hold = self.ledger.limits.max_hold_ms / 1000
        self._batch: list[ev.Event] = []
        self._summary: RunSummary | None = None
        self._ended: Ended | None = None

    @property
    def state(self) -> RunState:
        """The run as folded; gone once it has finished."""
        return self.ledger.state.runs[self.run_id]

    @property
    def is_open(self) -> bool:
        return self.run_id in self.ledger.state.runs

    def tasks(self) -> list[TaskState]:
        """The run's open tasks, the flow's own and those that its workers started."""
        return [task for task in self.ledger.state.tasks.values() if task.run_id == self.run_id]

    # -- commands ------------------------------------------------------------------------------

    def start(self, started: ev.RunStarted) -> None:
        """Record the start and the steps that follow from it; `launch` begins them."""
        self.commit((started,), summary=True)
        self.arm_deadline()

    async def launch(self) -> None:
        """Begin to work, once the start is durable."""
        try:
            await self.ledger.flushed()
        except SkepError as error:
            self.fail(error)
            raise
        self.attempts.launch()

    def cancel(self, reason: str, request: str | None = None) -> None:
        """Ask the run to end; harmless when it has ended or is ending. `timeout` ends it as such."""
        if not self.is_open or self.finished.done() or self._ended is not None:
            return
        events = transitions.request_cancel(
            self.ledger.state, self.run_id, reason, self.ledger.now(), request
        )
        if events:
            self.commit(events, summary=True)
            self.attempts.launch()

    def cancel_task(self, task: TaskState) -> None:
        """Cancel one task: its token ends at once, its worker is told, nothing more from it counts."""
        if task.status != "cancelled":
            self.commit(transitions.cancel_task(task, self.ledger.now()))
        self.attempts.end_worker(task, "cancelled")
        self.attempts.launch()

    def commit(self, events: Sequence[ev.Event], *, summary: bool = False) -> int:
        """Commit events of this run and carry out what they mean to the flow.

        What follows belongs to the same transition: it is applied as it comes and appended with the rest, in one
        piece. If the journal refuses that, the run stops here and its state is dropped.
        """
        if summary:
            self._summary = summary_of(self.ledger.state, events, self.run_id)
        self._batch += events
        self.ledger.apply(events, self._fold.observe)
        if self._in_transition:
            return 0
        self._in_transition = True
        started = time.perf_counter()
        try:
            inputs = self._fold.inputs
            while inputs:
                self._carry_out(self.machine.feed(inputs.popleft()))
            if self._suspended or self.paused or self.outside.signals or self.ledger.state.questions:
                self._note_suspension()
            batch, self._batch = self._batch, []
            row, self._summary = self._summary, None
            return self.ledger.append(self.log, tuple(batch), row)
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self._in_transition = False
            seconds = time.perf_counter() - started
            if seconds > self._max_hold:
                self.ledger.held(f"commit of {self.log}", seconds * 1000)

    def replay(self, version: int, event: ev.Event, into: EngineState) -> None:
        """Take in an event that is already recorded; `reconcile` acts on where that leads.

        The engine absorbs the state `into` when the whole log is in it: nobody acts on half a run.
        """
        self.ledger.replay(self.log, version, event, self._fold.observe, into)
        while self._fold.inputs:
            changes = self.machine.feed(self._fold.inputs.popleft())
            self.outside.follow(changes)
            self._ended = changes.ended or self._ended

    def create(self, wants: Sequence[Want]) -> None:
        """Make a task of each wanted step and begin its first attempt."""
        now = self._batch[-1].at if self._batch else self.ledger.now()
        events: list[ev.Event] = []
        created: list[tuple[str, Route, bytes]] = []
        for want in wants:
            route = self.plan.route(want.agent)
            event = ev.TaskCreated(
                at=now,
                task_id=new_id("T-"),
                agent=want.agent,
                run_id=self.run_id,
                step_key=want.key,
                digest=want.digest,
                retry=want.retry or route.retry,
                timeout_ms=int(want.timeout * 1000) if want.timeout is not None else route.timeout_ms,
            )
            events.append(event)
            if not self.paused:
                nonce = new_nonce()
                digest = self._handle_digest(nonce) if route.pulls else None
                events.append(transitions.first_attempt(event, nonce, digest))
            created.append((event.task_id, route, want.data))
        self.commit(events)
        tasks = self.ledger.state.tasks
        begin = self.attempts.next_attempt if self.paused else self.attempts.enqueue
        for task_id, route, data in created:
            begin(tasks[task_id], route, data)

    def finish_if_ended(self) -> None:
        """Record the end of the run, once the flow has ended and every worker of the run too."""
        if self._ended is None or not self.is_open:
            return
        if self.state.open_tasks:
            for task in self.tasks():
                self.cancel_task(task)
        if not self.state.open_tasks:
            self._finish(self._ended)

    def arm_deadline(self) -> None:
        """End the run as `timeout` when its deadline has come."""
        if self.is_open and self.state.deadline is not None:
            self._deadline = self.ledger.clock.call_at(self.state.deadline, self._time_out)

    def signal(self, name: str, data: bytes, by: str, request: str | None = None) -> None:
        """A signal has come in, its value encoded.

        Raises:
            InvalidTransition: the flow has ended.
            LimitExceeded: too many wait already.
        """
        if not self.is_open or self._ended is not None:
            raise InvalidTransition(f"run {self.run_id} has ended")
        content = self.ledger.store(data, self.log, signal_owner(name))
        self.outside.signal(name, content, by, request)
        self.attempts.launch()

    def pause(self, by: str, request: str | None = None) -> None:
        """Begin no further attempt; those that run go on to their end."""
        events = steering.pause(self.state, by, self.ledger.now(), request)
        if events:
            self.paused = True
            self.commit(events)

    def unpause(self, by: str, request: str | None = None) -> None:
        """Begin what was held since `pause`."""
        events = steering.unpause(self.state, by, self.ledger.now(), request)
        if events:
            self.paused = False
            self.commit(events)
            self.attempts.let_go()
            self.attempts.launch()
            self.ledger.waiters.wake(self.log)

    def override(self, task: TaskState, verdict: Verdict, request: str | None = None) -> None:
        """Let a task end as `verdict` says, its worker as well.

        Raises:
            InvalidTransition: it has settled.
        """
        self.commit(transitions.override_verdict(task, verdict, self.ledger.now(), request))
        self.attempts.end_worker(task, OVERRIDDEN)
        self.attempts.launch()

    def go_on(self, task: TaskState) -> None:
        """Begin the next attempt of a step whose last question was answered."""
        want = self.machine.want(task.step_key) if task.step_key is not None else None
        if isinstance(want, Want):
            self.attempts.next_attempt(task, self.plan.route(task.agent), want.data)
            self.attempts.launch()

    async def until_suspended(self) -> None:
        """Return when all that is left waits for somebody outside, or the run has ended."""
        await self.ledger.waiters.until(self.log, lambda: self._suspended or self.finished.done())

    async def close(self) -> None:
        """End all workers and leave the run to be taken up, here or elsewhere."""
        self._disarm()
        self.attempts.stop()
        await self.attempts.stopped()
        self._note_interruptions()

    def _note_interruptions(self) -> None:
        """An orderly end does not count against `max_interruptions`; agents that say `fail` see a crash."""
        if self.finished.done() or not self.is_open or self._ended is not None:
            return
        now = self.ledger.now()
        events = [
            ev.TaskAttemptInterrupted(at=now, task_id=task.id, attempt=task.attempt, counted=False)
            for task in self.tasks()
            if task.live and task.status == "running" and task.work is None
            if task.final is None and task.verdict is None
            if self.plan.route(task.agent).on_interrupt == "retry"
        ]
        if events:
            with contextlib.suppress(SkepError):  # then it is as after a crash, and who waits has been told
                self.commit(events)

    def leave(self) -> None:
        """The engine has closed: whoever still waits is told how to go on."""
        if not self.finished.done():
            what = f"the engine closed under run {self.run_id}"
            self.finished.set_exception(InvalidTransition(what, fix=f"skep resume {self.run_id}"))

    def fail(self, error: BaseException) -> None:
        """The run cannot go on here (the journal failed, another owner, a defect): end the workers, tell who waits."""
        if self.finished.done():
            return
        log.error("run %s cannot go on: %s", self.run_id, error)
        self._disarm()
        self.attempts.stop()
        self.finished.set_exception(error)
        self.ledger.waiters.wake(self.log)

    # -- inside --------------------------------------------------------------------------------

    def _carry_out(self, changes: Changes) -> None:
        for key in changes.dropped:
            task_id = self.state.tasks.get(key)
            if task_id is not None:
                self.cancel_task(self.ledger.state.tasks[task_id])
        if changes.wants:
            self.create(changes.wants)
        if changes.asks or changes.timers or changes.signals or changes.withdrawn:
            self.outside.carry_out(changes)
        if changes.ended is not None:
            self._ended = changes.ended
            self.finish_if_ended()

    def _note_suspension(self) -> None:
        """The run's status tells whether anything but answers, or the end of a pause, is waited for."""
        run = self.ledger.state.runs.get(self.run_id)
        if run is None:
            self._suspended = False
            return
        asks = bool(run.questions or self.outside.signals)
        suspended = asks and run.open_tasks == len(run.asking) and not self.outside.has_timers
        suspended = suspended or (run.paused and self.attempts.are_waiting())
        if suspended is not self._suspended:
            self._suspended = suspended
            self._summary = summary_of(self.ledger.state, self._batch, self.run_id, suspended=suspended)
            self.ledger.waiters.wake(self.log)

    def _attempt_settled(self, task: TaskState) -> None:
        """Children started by an attempt end with it; the last worker to end may end the run."""
        if task.children:
            for child in [child for child in self.tasks() if child.parent == task.id]:
                self.cancel_task(child)
        if self._ended is not None:
            self.finish_if_ended()

    def _finish(self, ended: Ended) -> None:
        self._disarm()
        event, result = self._finished_event(ended)
        info = RunInfo.at_end(self.state, event, result)
        self.commit((event,), summary=True)
        announcing = asyncio.get_running_loop().create_task(self._announce(info))
        self.finished.add_done_callback(lambda _: announcing.cancel())

    def _finished_event(self, ended: Ended) -> tuple[ev.RunFinished, Any]:
        now = self.ledger.now()
        if ended.status == "cancelled":
            status: ev.RunEnd = "timeout" if ended.reason == "timeout" else "cancelled"
            code = "E-RUN-TIMEOUT" if status == "timeout" else "E-RUN-CANCELLED"
            error: dict[str, Any] = {"code": code, "message": f"run was ended: {ended.reason}"}
            return ev.RunFinished(at=now, run_id=self.run_id, status=status, error=error), None
        if ended.status == "failed":
            return ev.RunFinished(at=now, run_id=self.run_id, status="failed", error=ended.error), None
        try:
            data = values.encode(ended.ctx, self.ledger.limits, where="result")
        except SkepError as refused:
            return ev.RunFinished(at=now, run_id=self.run_id, status="failed", error=refused.to_dict()), None
        content = self.ledger.store(data, self.log, self.run_id)
        self.ledger.release(self.run_id)
        return ev.RunFinished(at=now, run_id=self.run_id, status="done", result=content), values.decode(data)

    async def _announce(self, info: RunInfo) -> None:
        """The end is told when it is durable (R-ack)."""
        try:
            await self.ledger.flushed()
        except SkepError as error:
            self.fail(error)
            return
        if not self.finished.done():
            self.finished.set_result(info)
        self.ledger.waiters.wake(self.log)

    def _time_out(self) -> None:
        try:
            self.cancel("timeout")
        except SkepError as error:
            self.fail(error)

    def _disarm(self) -> None:
        self.outside.stop()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _retrieved(finished: asyncio.Future[RunInfo]) -> None:
    """A run that nobody waits for may fail without a warning from asyncio; the error was logged."""
    if not finished.cancelled():
        finished.exception()
