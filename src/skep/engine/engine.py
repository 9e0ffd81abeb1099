"""The engine: runs on one journal, in one event loop (DESIGN section 5, *Engine API*)."""

from __future__ import annotations

import asyncio
import logging

from skep.clock import Clock
from skep.core.tasks import TaskState
from skep.engine.acts.loops import LoopActs
from skep.engine.acts.prompts import PromptActs
from skep.engine.acts.questions import QuestionActs
from skep.engine.acts.runs import RunActs
from skep.engine.acts.sessions import SessionActs
from skep.engine.acts.tasks import Acts
from skep.engine.acts.verdicts import VerdictActs
from skep.engine.acts.work import WorkActs
from skep.engine.attempts.channel import Channel
from skep.engine.attempts.dispatch import SHUTDOWN, Dispatcher, Job
from skep.engine.attempts.replies import Replies
from skep.engine.attempts.rest import Rests
from skep.engine.background import Background
from skep.engine.inbox.elsewhere import Elsewhere
from skep.engine.inbox.inbox import InboxPump
from skep.engine.inbox.tokens import TokenInbox
from skep.engine.inbox.work_elsewhere import WorkElsewhere
from skep.engine.ledger import Ledger
from skep.engine.questions.questions import Questions
from skep.engine.reading.subscriptions import Subscriptions
from skep.engine.runs.launchers import Launchers
from skep.engine.runs.plan import Planner
from skep.engine.runs.run import RunDriver
from skep.engine.sessions.watch import SessionWatch
from skep.engine.threadsafe import ThreadSafe
from skep.engine.tokens.keys import KeyRing
from skep.engine.tokens.office import TokenOffice
from skep.errors import (
    AttemptEnded,
    Fenced,
    InvalidTransition,
    JournalFailed,
    SkepError,
)
from skep.journal.base import Journal
from skep.limits import Limits

log = logging.getLogger("skep.engine")


class Engine(Acts, VerdictActs, LoopActs, PromptActs, RunActs, QuestionActs, WorkActs, SessionActs):
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
        office = TokenOffice(self.ledger, ring)
        self.elsewhere = Elsewhere(self.ledger, office.logs)
        self.work_elsewhere = WorkElsewhere(self.ledger, self.elsewhere)
        self.dispatcher = Dispatcher(self.ledger, office, self.subscriptions, self.questions)
        self.dispatcher.engine = self
        self.drivers: dict[str, RunDriver] = {}
        self.launchers = Launchers(journal, self.drivers, self.questions.work)
        self.threadsafe: ThreadSafe
        self.worker_url: str | None = None
        """Where a server of this engine is reached by workers that pull (`SKEP_URL`); who starts one says so."""
        self.unrecovered: dict[str, SkepError] = {}
        """Interrupted runs that could not be taken up, and why."""
        self.replies = Replies(limits.ended_submits)
        self._session_jobs: dict[str, Job] = {}
        self._recovering = asyncio.Lock()
        self.inbox = InboxPump(self)
        self.questions.work.channel_of = self._channel_of
        self.background = Background()
        self.rests = Rests(self.ledger, self.background)
        self._token_inbox = TokenInbox(self)
        self.sessions = SessionWatch(self.ledger, self._time_out_session)
        self.dispatcher.tokens.logs.on_owned = self._log_owned
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
        self.sessions.stop()
        for job in tuple(self._session_jobs.values()):
            job.cancel.cancel(SHUTDOWN)
        try:
            closing = (driver.close() for driver in self.drivers.values())
            for problem in await asyncio.gather(*closing, return_exceptions=True):
                if isinstance(problem, Exception):
                    log.error("a run did not close in order", exc_info=problem)
            await self.background.end()
            await self.inbox.stop()
            await self._token_inbox.stop()
        finally:
            self.subscriptions.end()
            self.ledger.waiters.end(lambda: InvalidTransition("the engine has closed"))
            await self.journal.close()
            for driver in self.drivers.values():
                driver.leave()

    # -- inside --------------------------------------------------------------------------------

    def _channel_of(self, task: TaskState) -> Channel:
        """Where the outputs of a task's live attempt come in."""
        job = self.find_job(task)
        if job is None:
            raise AttemptEnded(f"task {task.id} has no live attempt")
        return self.dispatcher.channel(job)

    def _log_owned(self, name: str) -> None:
        """This process owns the log of a session or login from here on: others may want something of it."""
        self._token_inbox.start()
        self._session_owned(name)

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
