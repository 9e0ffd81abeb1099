"""The engine: runs on one journal, in one event loop (DESIGN section 5, *Engine API*)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

from skep import values
from skep.clock import Clock
from skep.core import events as ev
from skep.core.tasks import TaskState
from skep.engine.acts import Acts
from skep.engine.background import Background
from skep.engine.dispatch import SHUTDOWN, Dispatcher, Job
from skep.engine.elsewhere import Delivered, Elsewhere
from skep.engine.handle import RunHandle
from skep.engine.inbox import InboxPump
from skep.engine.info import ENDED, RunInfo
from skep.engine.keys import KeyRing
from skep.engine.ledger import Ledger
from skep.engine.plan import Planner
from skep.engine.question_acts import QuestionActs
from skep.engine.questions import Questions
from skep.engine.reading import find_run, read_run, run_events
from skep.engine.recovery import recover
from skep.engine.run import RunDriver
from skep.engine.subscriptions import Subscription, Subscriptions
from skep.engine.threadsafe import ThreadSafe
from skep.engine.token_acts import TokenActs
from skep.engine.token_inbox import TokenInbox
from skep.engine.tokens import Bearer, TokenOffice
from skep.errors import (
    BadValue,
    EngineError,
    Fenced,
    InvalidTransition,
    JournalFailed,
    LimitExceeded,
    SkepError,
)
from skep.flow.blueprint import Blueprint
from skep.flow.load import Loaded
from skep.ids import new_id
from skep.journal.base import Journal, Recorded
from skep.limits import Limits
from skep.workers.base import BuildEnv

log = logging.getLogger("skep.engine")


MAX_TIMEOUT = 10 * 365 * 24 * 3600.0
"""Seconds that a run may be given."""


class Engine(Acts, QuestionActs, TokenActs):
    """Runs Blueprints durably. `skep.Engine.open` makes one; every method belongs to its event loop."""

    def __init__(
        self, journal: Journal, planner: Planner, ring: KeyRing, clock: Clock, limits: Limits
    ) -> None:
        self.journal = journal
        self.planner = planner
        self.limits = limits
        self.ledger = Ledger(journal, clock, limits)
        self.subscriptions = Subscriptions(limits.subscriber_queue)
        self.questions = Questions(self.ledger, self.commit_to, self._task_told)
        self.elsewhere = Elsewhere(self.ledger)
        self.dispatcher = Dispatcher(
            self.ledger, TokenOffice(self.ledger, ring), self.subscriptions, self.questions
        )
        self.drivers: dict[str, RunDriver] = {}
        self.threadsafe: ThreadSafe
        self.unrecovered: dict[str, SkepError] = {}
        """Interrupted runs that could not be taken up, and why."""
        self._session_jobs: dict[str, Job] = {}
        self._recovering = asyncio.Lock()
        self._inbox = InboxPump(self)
        self.background = Background()
        self.dispatcher.tokens.logs.on_owned = TokenInbox(self, self.background).start
        self._open = False

    # -- life ----------------------------------------------------------------------------------

    async def start_up(self) -> None:
        """Open the journal and begin to listen."""
        self.threadsafe = ThreadSafe(asyncio.get_running_loop(), self.limits.threadsafe_inbox)
        await self.journal.open()
        self.journal.listen(self.subscriptions.durable, self._journal_failed)
        self._open = True

    async def close(self) -> None:
        """End the workers, leave open runs to be resumed, make everything durable. May be called twice."""
        if not self._open:
            return
        self._open = False
        self.questions.stop()
        for job in tuple(self._session_jobs.values()):
            job.cancel.cancel(SHUTDOWN)
        try:
            closing = (driver.close() for driver in self.drivers.values())
            for problem in await asyncio.gather(*closing, return_exceptions=True):
                if isinstance(problem, Exception):
                    log.error("a run did not close in order", exc_info=problem)
            await self.background.end()
            await self._inbox.stop()
        finally:
            self.subscriptions.end()
            self.ledger.waiters.end(lambda: InvalidTransition("the engine has closed"))
            await self.journal.close()
            for driver in self.drivers.values():
                driver.leave()

    # -- runs ----------------------------------------------------------------------------------

    async def start(
        self,
        blueprint: Blueprint | Loaded,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the field's word
        *,
        work_dir: str | Path | None = None,
        durability: ev.Durability = "group",
        timeout: float | None = None,  # noqa: ASYNC109 - recorded as the run's deadline
        trusted: bool = True,
    ) -> RunHandle:
        """Start a run; returns when its start is durable.

        Args:
            blueprint: what to run; a `Loaded` one knows its folder.
            input: the first ctx, over the Blueprint's `default_init_ctx`.
            work_dir: where its workers work, by default the current directory.
            durability: `group` lets in-process steps run ahead of the journal by `max_ahead`, `step` never.
            timeout: seconds until the whole run is ended as `timeout`.
            trusted: whether the Blueprint may name programs and code (R-trust).

        Raises:
            BlueprintError, KindNotYet: it cannot be run; nothing was recorded.
            BadValue, LimitExceeded: the input cannot be recorded.
            JournalFailed: the store has failed.
        """
        document, base_dir = (
            (blueprint.blueprint, str(blueprint.base_dir))
            if isinstance(blueprint, Loaded)
            else (blueprint, None)
        )
        given_dir = str(work_dir or ".")
        where = os.path.realpath(values.check_text(given_dir, "work_dir"))  # noqa: ASYNC240 - one look at a path
        if timeout is not None and not 0 < timeout <= MAX_TIMEOUT:
            raise LimitExceeded("timeout", MAX_TIMEOUT, where="start", fix="give seconds above 0")
        env = BuildEnv(blueprint_dir=base_dir, work_dir=where, trusted=trusted, limits=self.limits)
        plan = self.planner.plan(blueprint, env)
        data = values.encode(_first_ctx(document, input), self.limits, where="input")
        run_id = new_id("run-")
        name = f"run:{run_id}"
        await self._until_there_is_room()
        await self.journal.acquire(name)
        try:
            self.journal.stage_blob(plan.document, log=name)
            content = self.ledger.store(data, name, run_id, "input")
        except SkepError:
            await self.journal.release(name)
            raise
        now = self.ledger.now()
        started = ev.RunStarted(
            at=now,
            run_id=run_id,
            blueprint=plan.version,
            blueprint_id=document.id,
            input=content,
            work_dir=where,
            blueprint_dir=base_dir,
            trust="trusted" if trusted else "untrusted",
            durability=durability,
            deadline=now + int(timeout * 1000) if timeout is not None else None,
        )
        driver = RunDriver(self.dispatcher, started, plan)
        self.adopt(driver)
        driver.start(started)
        await asyncio.shield(self.background.run(driver.launch()))
        return RunHandle(self, driver)

    async def resume_run(self, run_id: str) -> RunHandle:
        """Take up an interrupted run; a run that this engine already owns is given back as it is.

        Raises:
            RunNotFound: no run, or several, with this beginning of an id.
            InvalidTransition: the run has ended.
            RunOwned: another live process works on it.
            BlueprintError, KindNotYet, ReplayDiverged: it cannot go on here.
        """
        async with self._recovering:
            row = await find_run(self.journal, run_id)
            driver = self.drivers.get(row.run_id)
            if driver is None:
                if row.status in ENDED:
                    what = f"run {row.run_id} has ended: {row.status}"
                    raise InvalidTransition(what, fix="only an interrupted run goes on; start a new one")
                driver = await recover(self, row.run_id)
                self.unrecovered.pop(row.run_id, None)
                await self._inbox.take()
        await self.ledger.flushed()
        return RunHandle(self, driver)

    async def cancel_run(self, token: Bearer | None, run_id: str, reason: str = "cancelled") -> Delivered:
        """Ask any open run of the store to end; returns when that is recorded, or left for its next owner.

        Raises:
            RunNotFound, InvalidTransition: there is no such run, or it has ended.
        """
        await self.admit(token, "cancel_run", run=run_id)
        values.check_text(reason, "reason", 200)
        driver = self.drivers.get(run_id)
        if driver is None:
            return await self.elsewhere.send(run_id, {"kind": "cancel", "reason": reason})
        driver.cancel(reason)
        await self.ledger.flushed()
        return Delivered(driver.log, acted=True)

    async def recover_all(self) -> None:
        """Take up every open run whose owner is gone; what cannot be taken up is logged and kept in `unrecovered`."""
        for row in await self.journal.list_runs(limit=self.limits.max_open_tasks, open_only=True):
            if not row.interrupted or row.run_id in self.drivers:
                continue
            try:
                await self.resume_run(row.run_id)
            except SkepError as error:
                self.unrecovered[row.run_id] = error
                log.warning("run %s stays interrupted: %s", row.run_id, error)
            except Exception as error:
                self.unrecovered[row.run_id] = EngineError(f"{type(error).__name__}: {error}")
                log.exception("run %s stays interrupted", row.run_id)

    async def get_run(self, run_id: str) -> RunInfo:
        """What is durably known of a run; the id may be cut short as long as it is the only one.

        Raises:
            RunNotFound: no run, or several.
        """
        return await read_run(self.journal, await find_run(self.journal, run_id))

    async def list_runs(self, *, limit: int = 100, prefix: str = "") -> list[RunInfo]:
        """Runs of the store, newest first, without their results."""
        return [RunInfo.from_summary(row) for row in await self.journal.list_runs(limit=limit, prefix=prefix)]

    def run_events(
        self, run_id: str, *, after: int = 0, follow: bool = False, streams: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        """The events of any run in the store, by its whole id; `follow` waits for more until it has ended."""
        return run_events(
            self.journal, self.subscriptions, run_id, after=after, follow=follow, streams=streams
        )

    # -- events --------------------------------------------------------------------------------

    def subscribe(self, run_id: str | None = None) -> Subscription:
        """Durable events of one run or of all, from now on, behind a queue of `subscriber_queue`."""
        return self.subscriptions.subscribe(f"run:{run_id}" if run_id is not None else None)

    async def events(self, *, after: int = 0, limit: int = 1_000) -> list[Recorded]:
        """Durable events of the whole store after a position, oldest first."""
        return await self.journal.read_all(after, limit)

    def stats(self) -> dict[str, int]:
        """Counters of the engine and its journal."""
        return {
            "open_runs": len(self.drivers),
            "open_tasks": len(self.ledger.state.tasks),
            "unrecovered_runs": len(self.unrecovered),
            **self.ledger.counters,
            **{f"journal_{name}": count for name, count in self.journal.stats().items()},
        }

    # -- inside --------------------------------------------------------------------------------

    async def _until_there_is_room(self) -> None:
        """New runs wait while the journal has much to catch up with, so that running ones find room."""
        while self.journal.stats()["backlog"] > self.limits.journal_backlog // 2:
            await self.ledger.flushed()

    def adopt(self, driver: RunDriver) -> None:
        """This engine owns the run from here on."""
        self.drivers[driver.run_id] = driver
        driver.finished.add_done_callback(lambda _: self._run_ended(driver))
        self._inbox.start()

    def _task_told(self, task: TaskState) -> None:
        """A task was suspended, or its last question has ended."""
        job = self.find_job(task)
        if task.live and job is not None:
            self.dispatcher.time(job)
        driver = self.drivers.get(task.run_id) if task.run_id else None
        if driver is not None and task.status == "pending":
            driver.go_on(task)
        if driver is not None:
            driver.attempts.launch()

    def forget_run(self, run_id: str) -> None:
        """Drop what a failed recovery left in the state."""
        state = self.ledger.state
        run = state.runs.pop(run_id, None)
        self.questions.forget(run.questions if run is not None else ())
        for task in [task for task in state.tasks.values() if task.run_id == run_id]:
            state.end_attempt(task)
            del state.tasks[task.id]
            self.ledger.release(task.id)
        self.ledger.forget(f"run:{run_id}")

    def _run_ended(self, driver: RunDriver) -> None:
        if not self._open:
            return
        self.drivers.pop(driver.run_id, None)
        self.forget_run(driver.run_id)
        self.background.run(self._release(driver.log))

    async def _release(self, name: str) -> None:
        """Give a lease back. Where the journal has failed, which was told already, it ends with the process."""
        with contextlib.suppress(JournalFailed):
            await self.journal.release(name)

    def _journal_failed(self, error: Exception) -> None:
        if isinstance(error, Fenced):
            driver = self.drivers.get((error.where or "").removeprefix("run:"))
            if driver is not None:
                driver.fail(error)
            return
        log.error("the journal failed, the engine stops: %s", error)
        failure = error if isinstance(error, JournalFailed) else JournalFailed(str(error))
        for driver in tuple(self.drivers.values()):
            driver.fail(failure)
        self.ledger.waiters.end(lambda: JournalFailed(failure.what))


def _first_ctx(blueprint: Blueprint, given: Mapping[str, Any] | None) -> Any:
    if given is not None and not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadValue(
            f"the input is {values.type_name(given)}, not an object", where="input", fix="give a dict"
        )
    default: Any = blueprint.default_init_ctx
    if given is None:
        return default if default is not None else {}
    return {**cast("dict[str, Any]", default), **given} if isinstance(default, dict) else dict(given)
