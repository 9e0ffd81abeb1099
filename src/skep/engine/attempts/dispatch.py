"""The three stages of an attempt: prepare, execute, settle (DESIGN section 5, *Tasks*).

Prepare and settle are synchronous transitions; execute is where the worker runs. One `Job` carries an attempt
through them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from skep import values
from skep.clock import TimerHandle
from skep.core import events as ev
from skep.core import transitions
from skep.core.outputs import Final
from skep.core.tasks import TaskState
from skep.core.tokens import handle_digest
from skep.core.transitions import Failure
from skep.engine.attempts.channel import Channel
from skep.engine.ledger import Ledger
from skep.engine.questions.questions import Questions
from skep.engine.reading.subscriptions import Subscriptions
from skep.engine.runs.plan import Route
from skep.engine.sessions.backends import Backends, Backing
from skep.engine.tokens.office import TokenOffice
from skep.errors import SkepError, WorkerCancelled, WorkerFailed
from skep.flow.prompt import slots_for
from skep.workers.base import CancelToken, Ctx, Previous, error_text
from skep.workers.completion import CHANNEL_CLOSED, absorb_cancel

if TYPE_CHECKING:
    from skep.engine.engine import Engine

log = logging.getLogger("skep.engine")

SHUTDOWN = "shutdown"
"""The cancel reason of an engine that closes: the attempt is left as a crash would leave it."""

OVERRIDDEN = "overridden"
"""The cancel reason of a worker whose verdict was given from above: that decides, not how the worker ends."""

JOIN_SLACK = 2.0
"""Seconds beyond the kill grace that a spawner gets to end its worker before the attempt is abandoned."""


class Job(Struct, eq=False):
    """One attempt on its way through the stages; `stuck` is called when its worker does not end when told to."""

    task: TaskState
    route: Route
    data: bytes
    work_dir: str | None = None
    blueprint_dir: str | None = None
    durability: ev.Durability = "group"
    stuck: Callable[[Job], None] | None = None
    cancel: CancelToken = field(default_factory=CancelToken)
    channel: Channel | None = None
    timer: TimerHandle | None = None
    ended: bool = False
    backing: Backing | None = None

    @property
    def last_final(self) -> Final | None:
        """The final that counts, recorded yet or not."""
        delivered = self.channel.delivered if self.channel is not None else None
        return delivered or self.task.final

    def end_failure(self) -> Failure | None:
        """A deadline or a cancel that came before the end decides, whatever the worker did afterwards."""
        reason = self.cancel.reason
        if reason is None:
            return None
        if reason == "timeout":
            return Failure(
                "timeout", f"no result within {(self.task.timeout_ms or 0) / 1000:g} s", "E-TIMEOUT"
            )
        return Failure("error" if reason == OVERRIDDEN else "cancelled", reason)


class Dispatcher:
    """Runs attempts; the services that an attempt touches are its attributes."""

    def __init__(
        self, ledger: Ledger, tokens: TokenOffice, subscriptions: Subscriptions, questions: Questions
    ) -> None:
        self.ledger = ledger
        self.tokens = tokens
        self.subscriptions = subscriptions
        self.questions = questions
        self.backends = Backends(ledger)
        self.engine: Engine
        """Through which in-process workers act; the engine sets it."""

    async def execute(self, job: Job) -> Failure | None:
        """Start the worker through its layers, wait for its end; `None` when it did its work."""
        task = job.task
        route = job.route
        channel = self.channel(job)
        if task.deadline is not None:
            self.time(job)
        try:
            if not route.runs_ahead or job.durability == "step":
                await self.ledger.flushed()
            ctx = self._ctx(job, channel)
            if task.asks is not None or task.directives or task.baked or job.backing is not None:
                ctx = await self._told(job, ctx)
            await route.perform(ctx)
        except WorkerCancelled as error:
            return job.end_failure() or Failure("cancelled", error.what)
        except SkepError as error:
            return job.end_failure() or Failure("error", str(error), error.code)
        except asyncio.CancelledError:
            # Only a worker that got hold of this task cancels it: that ends its attempt and nothing else.
            await absorb_cancel()
            return job.end_failure() or Failure("error", CHANNEL_CLOSED, WorkerFailed.code)
        except BaseException as error:
            log.warning("starting %s raised", task.agent, exc_info=error)
            return job.end_failure() or Failure("error", f"spawner raised {error_text(error)}", "E-SPAWN")
        else:
            return job.end_failure() if job.cancel.reason is not None else None
        finally:
            channel.close()
            job.cancel.release()
            if job.timer is not None:
                job.timer.cancel()

    def channel(self, job: Job) -> Channel:
        """Where the outputs of an attempt come in; an outside worker's may come before `execute` has begun."""
        channel = job.channel
        if channel is None:
            channel = job.channel = Channel(self, job.task, job.work_dir)
        return channel

    def handle_digest(self, nonce: str) -> str:
        """What the record of an attempt whose worker pulls says of its handle."""
        return handle_digest(self.tokens.handle(nonce))

    async def given(self, job: Job) -> Ctx:
        """What an attempt starts from, as of now; an offered one was offered with what its layers made of it."""
        task = job.task
        ctx = self._ctx(job, self.channel(job))
        item = self.ledger.state.questions.get(task.work or "")
        if item is not None:
            offered = await self.questions.value(item.question, item.log)
            ctx = ctx.replace(prompt=offered["prompt"], system=offered["system"])
        return await self._left_for(task, ctx)

    def time(self, job: Job) -> None:
        """Let the deadline of an attempt come; it stands still while the task is suspended."""
        task = job.task
        if job.timer is not None:
            job.timer.cancel()
            job.timer = None
        if task.deadline is not None and task.status == "running" and not job.route.recorded:
            job.timer = self.ledger.clock.call_at(task.deadline, lambda: self._time_out(job))

    def _time_out(self, job: Job) -> None:
        """What only observes a worker that has ended is under no deadline of its attempt."""
        if job.channel is None or job.channel.timed:
            self.end(job, "timeout")

    def end(self, job: Job, reason: str) -> None:
        """Tell a worker to end; one that has not ended after the grace and a little longer is given up."""
        if job.cancel.cancelled or job.ended:
            return
        job.cancel.cancel(reason)
        if job.task.work is not None and job.channel is not None:
            job.channel.close()  # who holds it is not in this process and has nothing to wind up
        patience = self.ledger.limits.kill_grace + JOIN_SLACK
        self.ledger.clock.call_at(self.ledger.now() + int(patience * 1000), lambda: self._give_up(job))

    def settle_events(self, job: Job, failure: Failure | None) -> tuple[ev.Event, ...]:
        """What the end of an attempt means for its task."""
        job.ended = True
        delivered = job.channel.delivered if job.channel is not None else None
        return transitions.complete_attempt(job.task, failure, self.ledger.now(), delivered)

    def _give_up(self, job: Job) -> None:
        if job.ended:
            return
        self.ledger.counters["abandoned_workers"] += 1
        log.warning("worker of task %s did not end after %s; it is abandoned", job.task.id, job.cancel.reason)
        if job.channel is not None:
            job.channel.close()
        if job.stuck is not None:
            job.stuck(job)

    def _ctx(self, job: Job, channel: Channel) -> Ctx:
        task = job.task
        given: Any = values.decode(job.data)
        # Fewer than 16 keywords: of more, the interpreter makes a dict first, which costs as much as all the rest.
        ctx = Ctx(
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
            work_dir=job.work_dir,
            blueprint_dir=job.blueprint_dir,
            grace=self.ledger.limits.kill_grace,
        )
        previous, prompt = task.previous, job.route.prompt
        if previous is None and prompt is None and task.checkpoint is None:
            return ctx
        return ctx.replace(
            previous=Previous(previous.attempt, previous.reason, previous.message) if previous else None,
            last_checkpoint=self.ledger.value(task.checkpoint, task.id) if task.checkpoint else None,
            system=prompt.render(slots_for(given)) if prompt is not None else None,
        )

    async def _told(self, job: Job, ctx: Ctx) -> Ctx:
        """What earlier attempts and seniors have left for this one, and who stands behind its agent."""
        task = job.task
        if job.backing is not None:
            ctx = ctx.replace(operator=await self.backends.info(job.backing, task.agent, job.cancel))
        return await self._left_for(task, ctx)

    async def _left_for(self, task: TaskState, ctx: Ctx) -> Ctx:
        answers = {
            key: await self.questions.value(asked.answer, task.log)
            for key, asked in (task.asks or {}).items()
            if asked.answer is not None
        }
        directives = tuple([await self.questions.value(content, task.log) for content in task.directives])
        baked = task.baked_for(task.attempt)
        if baked is None:
            return ctx.replace(answers=answers, directives=directives)
        return ctx.replace(
            answers=answers,
            directives=directives,
            prompt=baked.prompt if baked.prompt is not None else ctx.prompt,
            system=None if baked.no_system else baked.system if baked.system is not None else ctx.system,
        )
