"""`poll_task` under every order in which a task's changes, their wakes and the journal can come."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from interleaving import every_order
from skep.core.state import EngineState
from skep.core.tasks import TaskState
from skep.engine.acts.tasks import Acts
from skep.engine.attempts.rest import Rests
from skep.engine.questions.waiters import Waiters
from skep.limits import DEFAULT_LIMITS
from skep.testing.clock import FakeClock


class Poller(Acts):
    """As much of an engine as `poll_task` needs; its journal is durable only when `flush` says so."""

    def __init__(self):
        self.clock = FakeClock()
        self.state = EngineState()
        self.waiters = Waiters(self.clock)
        self.ledger = SimpleNamespace(state=self.state, waiters=self.waiters, flushed=self.flushed)
        self.limits = DEFAULT_LIMITS
        self.durable = False
        self.rests = Rests(self.ledger, self)
        self.task = self.state.tasks["T-1"] = TaskState(id="T-1", agent="a", log="run:1", status="running")

    async def flushed(self):
        await self.waiters.until("journal", lambda: self.durable)

    async def _look_up(self, *_args):
        """Whoever begins after the end asks the store, which this poller has not."""

    def run(self, coroutine):
        return asyncio.Task(coroutine, loop=asyncio.get_running_loop())

    async def poll(self):
        state = await self.poll_task(None, "T-1", 60)
        assert self.durable, "told before it was durable"
        return state.status

    def change(self, status, *, gone=False):
        def act():
            self.task.status = status
            if gone:
                self.state.tasks.pop("T-1", None)
            self.waiters.wake("T-1")

        return act

    def settle(self, _tasks):
        return [self.change("pass", gone=True)]

    def settle_in_two(self, _tasks):
        return [self.change("cancelled"), lambda: self.state.tasks.pop("T-1", None) and None]

    def suspend_and_go_on(self, _tasks):
        return [self.change("suspended"), self.change("running"), self.change("blocked", gone=True)]

    def disturb(self, _tasks):
        return [lambda: self.waiters.wake("T-1"), lambda: self.waiters.wake("T-1")]

    def flush(self, _tasks):
        def act():
            self.durable = True
            self.waiters.wake("journal")

        return [act]


def outcomes_of(actors, waiters=1):
    found = set()

    def scenario(run):
        poller = Poller()
        tasks = run([poller.poll() for _ in range(waiters)], *(getattr(poller, actor) for actor in actors))
        found.add(tuple(outcome(task) for task in tasks))
        assert poller.waiters.waiting == {}

    assert every_order(scenario) > 1
    return found


def outcome(task):
    if not task.done():
        return "waits"
    return type(task.exception()).__name__ if task.exception() else task.result()


def test_no_wake_is_lost_and_no_wake_is_taken_for_an_end():
    ends = {"pass", "TaskNotFound"}
    assert {one for found in outcomes_of(["settle", "disturb", "flush"]) for one in found} == ends


def test_all_who_wait_are_told():
    found = outcomes_of(["settle", "flush"], waiters=2)
    assert {one for pair in found for one in pair} == {"pass", "TaskNotFound"}


def test_a_cancelled_task_whose_worker_has_not_ended_is_at_rest():
    found = outcomes_of(["settle_in_two", "disturb", "flush"])
    assert {one for (one,) in found} == {"cancelled", "TaskNotFound"}


def test_a_suspension_that_is_over_is_never_told_as_running():
    found = outcomes_of(["suspend_and_go_on", "flush"])
    assert {one for (one,) in found} == {"suspended", "blocked", "TaskNotFound"}
