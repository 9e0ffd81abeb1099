"""The three stages of an attempt: prepare, execute, settle (DESIGN section 5, *Tasks*).

Prepare and settle are synchronous transitions; execute is where the worker runs. One `Job` carries an attempt
through them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from skep import values
from skep.core import events as ev
from skep.core import transitions
from skep.core.tasks import TaskState
from skep.core.transitions import Failure
from skep.engine.channel import Channel
from skep.engine.ledger import Ledger
from skep.engine.plan import Route
from skep.engine.subscriptions import Subscriptions
from skep.engine.tokens import TokenOffice
from skep.errors import SkepError, WorkerCancelled
from skep.workers.base import CancelToken, Ctx, Previous, error_text

log = logging.getLogger("skep.engine")

SHUTDOWN = "shutdown"
"""The cancel reason of an engine that closes: the attempt is left as a crash would leave it."""

JOIN_SLACK = 2.0
"""Seconds beyond the kill grace that a spawner gets to end its worker before the attempt is abandoned."""


class Job:
    """One attempt on its way through the stages."""

    __slots__ = ("blueprint_dir", "cancel", "channel", "data", "durability", "route", "task", "work_dir")

    def __init__(
        self,
        task: TaskState,
        route: Route,
        data: bytes,
        *,
        work_dir: str | None = None,
        blueprint_dir: str | None = None,
        durability: ev.Durability = "group",
    ) -> None:
        self.task = task
        self.route = route
        self.data = data
        self.work_dir = work_dir
        self.blueprint_dir = blueprint_dir
        self.durability = durability
        self.cancel = CancelToken()
        self.channel: Channel | None = None


class Dispatcher:
    """Runs attempts; the services that an attempt touches are its attributes."""

    def __init__(self, ledger: Ledger, tokens: TokenOffice, subscriptions: Subscriptions) -> None:
        self.ledger = ledger
        self.tokens = tokens
        self.subscriptions = subscriptions
        self.abandoned = 0

    async def execute(self, job: Job) -> Failure | None:
        """Start the worker through its layers, wait for its end; `None` when it did its work."""
        task = job.task
        roots = (job.work_dir,) if job.work_dir is not None else ()
        channel = job.channel = Channel(self, task, roots)
        ctx = self._ctx(job, channel)
        timer = None
        if task.deadline is not None:
            timer = self.ledger.clock.call_at(task.deadline, lambda: job.cancel.cancel("timeout"))
        self._guard(job)
        try:
            if not job.route.runs_ahead or job.durability == "step":
                await self.ledger.flushed()
            worker = await job.route.spawner.spawn(ctx)
            await worker.join()
        except WorkerCancelled as error:
            return _ended_by(job) or Failure("cancelled", error.what)
        except SkepError as error:
            return _ended_by(job) or Failure("error", str(error), error.code)
        except asyncio.CancelledError:
            return self._abandoned(job)
        except BaseException as error:  # noqa: BLE001 - whatever a spawner or a layer raises fails its attempt only
            log.warning("starting %s raised", task.agent, exc_info=error)
            return _ended_by(job) or Failure("error", f"spawner raised {error_text(error)}", "E-SPAWN")
        else:
            return _ended_by(job)
        finally:
            channel.close()
            if timer is not None:
                timer.cancel()

    def settle_events(self, job: Job, failure: Failure | None) -> tuple[ev.Event, ...]:
        """What the end of an attempt means for its task."""
        return transitions.complete_attempt(job.task, failure, self.ledger.now())

    def _ctx(self, job: Job, channel: Channel) -> Ctx:
        task = job.task
        given: Any = values.decode(job.data)
        previous = task.previous
        return Ctx(
            task_id=task.id,
            attempt=task.attempt,
            agent=task.agent,
            prompt=given if type(given) is str else job.data.decode(),
            input=given,
            idempotency_key=task.idempotency_key,
            cancel_token=job.cancel,
            channel=channel,
            run_id=task.run_id,
            step_key=task.step_key,
            previous=Previous(previous.attempt, previous.reason, previous.message) if previous else None,
            last_checkpoint=self.ledger.value(task.checkpoint, task.id) if task.checkpoint else None,
            work_dir=job.work_dir,
            blueprint_dir=job.blueprint_dir,
            system=job.route.system,
            grace=self.ledger.limits.kill_grace,
        )

    def _guard(self, job: Job) -> None:
        """A worker that does not end within its grace is abandoned: its spawner gets a little longer, then no more."""
        runner = asyncio.current_task()
        if runner is None:
            return
        loop = asyncio.get_running_loop()
        patience = self.ledger.limits.kill_grace + JOIN_SLACK

        def end_wait() -> None:
            if job.channel is not None and not job.channel.closed:
                runner.cancel()

        job.cancel.on_cancel(lambda _: loop.call_later(patience, end_wait))

    def _abandoned(self, job: Job) -> Failure:
        self.abandoned += 1
        log.warning(
            "worker of task %s did not end after it was cancelled (%s)", job.task.id, job.cancel.reason
        )
        return _ended_by(job) or Failure("cancelled", "attempt was abandoned")


def _ended_by(job: Job) -> Failure | None:
    """A deadline or a cancel that came before the end decides, whatever the worker did afterwards."""
    reason = job.cancel.reason
    if reason is None:
        return None
    if reason == "timeout":
        return Failure("timeout", f"no result within {(job.task.timeout_ms or 0) / 1000:g} s", "E-TIMEOUT")
    return Failure("cancelled", reason)
