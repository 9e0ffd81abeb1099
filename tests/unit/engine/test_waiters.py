from __future__ import annotations

import asyncio

import pytest

from interleaving import every_order
from skep.engine.questions.waiters import Waiters
from skep.errors import JournalFailed, PollTimeout
from skep.testing.aio import in_loop
from skep.testing.clock import FakeClock

TIMEOUT = 2.0


class World:
    """A fact, waiters for it, and the acts that bear on them."""

    def __init__(self, waiters=Waiters):
        self.clock = FakeClock()
        self.waiters = waiters(self.clock)
        self.fact = False
        self.seen = []

    async def waiter(self, patience=None):
        await self.waiters.until("k", lambda: self.fact, patience)
        self.seen.append(self.fact)
        return "came"

    def happen(self, _tasks):
        return [self._set, lambda: self.waiters.wake("k")]

    def at_once(self, _tasks):
        return [lambda: (self._set(), self.waiters.wake("k"))]

    def disturb(self, _tasks):
        return [lambda: self.waiters.wake("k"), lambda: self.waiters.wake("other")]

    def flicker(self, _tasks):
        return [self._set, lambda: self.waiters.wake("k"), self._unset, lambda: self.waiters.wake("k")]

    def cancel(self, tasks):
        return [lambda: tasks[0].cancel() and None]

    def let_time_pass(self, _tasks):
        return [lambda: self.clock.advance(1_000), lambda: self.clock.advance(1_500)]

    def _set(self):
        self.fact = True

    def _unset(self):
        self.fact = False


def outcome(task):
    if not task.done():
        return "waits"
    if task.cancelled():
        return "cancelled"
    return type(task.exception()).__name__ if task.exception() else task.result()


def check_kept(world, tasks, timed=0):
    """What is kept is who waits, and nothing else."""
    pending = sum(not task.done() for task in tasks)
    assert sum(map(len, world.waiters.waiting.values())) == pending
    assert all(world.waiters.waiting.values())
    assert world.clock.waiting <= timed
    for task in tasks:
        task.cancel()


def orders_of(coroutines, actors, allowed, waiters=Waiters):
    """Every order; the outcomes that there were, each of which must be allowed."""
    found = set()

    def scenario(run):
        world = World(waiters)
        tasks = run(coroutines(world), *(getattr(world, actor) for actor in actors))
        outcomes = tuple(map(outcome, tasks))
        assert all(world.seen), "returned although it does not hold"
        assert outcomes in allowed, outcomes
        found.add(outcomes)
        check_kept(world, tasks, timed=outcomes.count("waits"))

    assert every_order(scenario) > 1
    return found


@pytest.mark.parametrize("act", ["happen", "at_once"])
def test_no_order_loses_a_wake_nor_takes_a_wrong_one(act):
    def two(world):
        return [world.waiter(), world.waiter()]

    assert orders_of(two, [act, "disturb"], {("came", "came")}) == {("came", "came")}


def test_a_wake_without_the_fact_ends_no_wait():
    assert orders_of(lambda world: [world.waiter()], ["disturb"], {("waits",)})


def test_a_fact_that_is_gone_again_ends_no_wait():
    allowed = {(one, other) for one in ("came", "waits") for other in ("came", "waits")}
    assert orders_of(lambda world: [world.waiter(), world.waiter()], ["flicker"], allowed) == allowed


def test_a_cancelled_wait_leaves_nothing_and_disturbs_no_other():
    def two(world):
        return [world.waiter(), world.waiter()]

    allowed = {("cancelled", "came"), ("came", "came")}
    assert orders_of(two, ["happen", "cancel"], allowed) == allowed


def test_time_and_fact_race_and_one_of_them_counts():
    def one(world):
        return [world.waiter(TIMEOUT)]

    allowed = {("came",), ("PollTimeout",), ("waits",)}
    # It waits on only where it began when time had begun to pass.
    found = orders_of(one, ["let_time_pass"], allowed - {("came",)})
    assert ("PollTimeout",) in found
    # A fact that is there when it looks counts, whatever the clock says.
    assert orders_of(one, ["happen", "let_time_pass"], allowed) == {("came",), ("PollTimeout",)}


def test_time_cancel_and_fact_together_leave_nothing():
    def two(world):
        return [world.waiter(TIMEOUT), world.waiter()]

    found = orders_of(
        two,
        ["at_once", "cancel", "let_time_pass"],
        {(x, "came") for x in ("came", "cancelled", "PollTimeout")},
    )
    assert len(found) == 3


class EdgeTriggered:
    """The published wait: a snapshot, then one wake, whatever it was for (defect 12.2, number 7)."""

    def __init__(self, _clock):
        self.waiting = {}

    def wake(self, key):
        for future in self.waiting.pop(key, ()):
            if not future.done():
                future.set_result(None)

    async def until(self, key, predicate, _timeout=None):
        if predicate():
            return
        await asyncio.sleep(0)  # it lets go of the state's lock here
        future = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(key, []).append(future)
        await future


def test_the_published_wait_loses_wakes_and_takes_wrong_ones():
    def one(world):
        return [world.waiter()]

    with pytest.raises(AssertionError, match="waits"):
        orders_of(one, ["at_once"], {("came",)}, EdgeTriggered)
    with pytest.raises(AssertionError, match="although it does not hold"):
        orders_of(one, ["disturb"], {("waits",)}, EdgeTriggered)


@in_loop
async def test_a_thousand_waiters_are_all_woken_and_look_once_more_each():
    waiters, looks, fact = Waiters(FakeClock()), [], []

    def predicate():
        looks.append(1)
        return bool(fact)

    tasks = [asyncio.ensure_future(waiters.until("task", predicate, 60.0)) for _ in range(1_000)]
    await asyncio.sleep(0)
    fact.append(1)
    waiters.wake("task")
    await asyncio.gather(*tasks)
    assert len(looks) == 2_000
    assert waiters.waiting == {}


@in_loop
async def test_waiters_that_are_cancelled_leave_nothing():
    clock = FakeClock()
    waiters = Waiters(clock)
    for turn in range(20):
        tasks = [
            asyncio.ensure_future(waiters.until(f"{turn} {n % 7}", lambda: False, 60.0)) for n in range(50)
        ]
        await asyncio.sleep(0)
        assert clock.waiting == 50
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert waiters.waiting == {}
    assert clock.waiting == 0


@in_loop
async def test_the_clock_decides_when_a_wait_is_over():
    clock = FakeClock()
    waiters = Waiters(clock)
    task = asyncio.ensure_future(waiters.until("k", lambda: False, 1.5))
    await asyncio.sleep(0)
    clock.advance(1_499)
    await asyncio.sleep(0)
    assert not task.done()
    clock.advance(1)
    with pytest.raises(PollTimeout, match=r"k in 1\.5 s"):
        await task
    with pytest.raises(PollTimeout):
        await waiters.until("k", lambda: False, 0)
    await waiters.until("k", lambda: True, 0)
    assert waiters.waiting == {}


@in_loop
async def test_a_predicate_that_raises_ends_the_wait():
    waiters = Waiters(FakeClock())
    state = {"k": False}
    task = asyncio.ensure_future(waiters.until("k", lambda: state["k"]))
    await asyncio.sleep(0)
    del state["k"]
    waiters.wake("k")
    with pytest.raises(KeyError):
        await task
    assert waiters.waiting == {}


@in_loop
async def test_who_waits_in_vain_hears_of_the_end():
    waiters = Waiters(FakeClock())
    fact = []
    tasks = [
        asyncio.ensure_future(waiters.until(key, lambda: bool(fact), timeout))
        for key, timeout in (("a", None), ("a", 9.0), ("b", None))
    ]
    await asyncio.sleep(0)
    waiters.end(lambda: JournalFailed("the disk is full"))
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in errors] == [JournalFailed] * 3
    assert len(set(map(id, errors))) == 3
    with pytest.raises(JournalFailed):
        await waiters.until("later", lambda: False)
    await waiters.until("later", lambda: True)
    assert waiters.waiting == {}
