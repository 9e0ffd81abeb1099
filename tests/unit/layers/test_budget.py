from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.layers.bench import Attempts, Bench, layer_env, settle

from skep.core.budget import Account, Amounts
from skep.core.outputs import Artifact, inline
from skep.errors import BudgetExhausted, LimitExceeded, RejectedByMiddleware, WorkerCancelled, WorkerFailed
from skep.layers.budget import HINT, Budget
from skep.limits import Limits
from skep.testing.aio import in_loop, run
from skep.testing.clock import FakeClock
from skep.testing.workers import FakeAttempt
from skep.testing.workers.attempt import FakeLedger


class Run(Attempts):
    """The attempts of one run: they share its ledger."""

    def __init__(self, bench, options, shared=None, clock=None, ledger=None, **env):
        clock = clock or FakeClock(0)
        layer = (shared or Budget()).factory(options, layer_env(clock, **env))
        super().__init__(layer(bench))
        self.clock = clock
        self.ledger = ledger or FakeLedger(clock.now_ms)

    def begin(self, n, attempt=1, **fields):
        channel = FakeAttempt()
        channel.ledger = self.ledger
        channel.of = (f"T-{n:016x}", attempt)
        super().begin(n, channel=channel, attempt=attempt, **fields)

    def use(self, n, **usage):
        self.contexts[n].channel.emit(Artifact("usage", inline(usage)))

    @property
    def account(self):
        return self.ledger.account or Account()


@in_loop
async def test_attempts_are_counted_and_the_next_one_is_refused():
    bench = Bench()
    attempts = Run(bench, {"attempts": 2})
    for n in range(2):
        attempts.begin(n)
        await settle()
        bench.end(n)
    await settle()
    attempts.begin(2)
    await settle()
    assert bench.started == [0, 1]
    error = attempts.told[2]
    assert isinstance(error, BudgetExhausted)
    assert (error.code, error.what) == (
        "E-BUDGET-EXHAUSTED",
        "budget_exhausted: attempts: 2 of 2 spent",
    )
    assert attempts.account.settled.attempts == 2


@in_loop
async def test_lanes_reserve_and_wait_for_what_the_others_turn_out_to_need():
    bench = Bench()
    attempts = Run(bench, {"tokens": 1_000, "reserve": {"tokens": 400}})
    for n in range(4):
        attempts.begin(n)
    await settle()
    assert bench.started == [0, 1]
    attempts.use(0, tokens=100)
    bench.end(0)
    await settle()
    assert bench.started == [0, 1, 2]  # 100 spent, 800 reserved
    attempts.use(1, tokens=700)
    bench.end(1)
    await settle()
    assert isinstance(attempts.told[3], BudgetExhausted)  # 800 spent: 400 more will never fit
    assert "800 of 1000 spent, 400 reserved by others, an attempt reserves 400" in str(attempts.told[3])


@in_loop
async def test_without_a_reserve_one_attempt_holds_all_that_is_left():
    bench = Bench()
    attempts = Run(bench, {"money": 1.0})
    attempts.begin(0)
    attempts.begin(1)
    await settle()
    assert bench.started == [0]
    attempts.use(0, cost_usd=0.25)
    bench.end(0)
    await settle()
    assert bench.started == [0, 1]
    attempts.use(1, usage={"money": 0.75})
    bench.end(1)
    attempts.begin(2)
    await settle()
    assert isinstance(attempts.told[2], BudgetExhausted)
    assert attempts.account.settled.money == 1_000_000


@in_loop
async def test_a_child_is_refused_where_a_step_would_wait():
    bench = Bench()
    attempts = Run(bench, {"tokens": 100})
    attempts.begin(0)
    await settle()
    attempts.begin(1, step_key=None)
    attempts.begin(2)
    await settle()
    assert isinstance(attempts.told[1], BudgetExhausted)
    assert 2 not in attempts.told


@pytest.mark.parametrize(
    ("outcome", "reported", "counted"),
    [
        (None, None, 0),
        (None, 150, 150),
        (None, -5, 100),
        (None, 1e300, 100),
        (None, "lots", 100),
        (WorkerFailed("crashed"), None, 100),
        (WorkerFailed("crashed"), 30, 30),
        (WorkerCancelled("cancelled"), None, 100),
        (WorkerCancelled("cancelled"), 150, 150),
    ],
)
def test_what_an_attempt_is_counted_with(outcome, reported, counted):
    async def main():
        bench = Bench()
        attempts = Run(bench, {"tokens": 1_000, "reserve": {"tokens": 100}})
        attempts.begin(0)
        await settle()
        if reported is not None:
            attempts.use(0, tokens=reported)
        bench.end(0, outcome)
        await settle()
        assert attempts.account.settled.tokens == counted
        assert attempts.account.entries == {}

    run(main())


@in_loop
async def test_an_attempt_that_was_not_started_costs_nothing():
    bench, shared = Bench(), Budget()
    attempts = Run(bench, {"attempts": 1}, shared)
    bench.refuse = RejectedByMiddleware("no")
    attempts.begin(0)
    await settle()
    bench.refuse = None
    attempts.begin(1)
    await settle()
    assert bench.started == [1]
    bench.end(1)
    await settle()
    assert attempts.account.settled == Amounts(attempts=1)
    assert shared._runs == {}


@in_loop
async def test_seconds_are_counted_and_end_the_worker():
    bench = Bench()
    attempts = Run(bench, {"seconds": 10, "reserve": {"seconds": 6}})
    attempts.begin(0)
    attempts.begin(1)
    await settle()
    attempts.clock.advance(2_000)
    bench.end(0)
    await settle()
    assert bench.started == [0, 1]  # 2 s spent, 6 reserved
    attempts.clock.advance(5_999)
    assert bench.contexts[1].cancel_token.reason is None
    attempts.clock.advance(1)
    assert bench.contexts[1].cancel_token.reason == "budget_exhausted"
    assert attempts.contexts[1].cancel_token.reason is None  # the engine's own is not touched
    bench.end(1, WorkerCancelled("budget_exhausted"))
    await settle()
    assert isinstance(attempts.told[1], BudgetExhausted)
    assert "seconds: 6 s were left" in str(attempts.told[1])
    assert attempts.account.settled.milliseconds == 8_000
    attempts.begin(2)
    await settle()
    assert isinstance(attempts.told[2], BudgetExhausted)


@in_loop
async def test_who_is_cancelled_is_told_so_behind_a_time_limit_too():
    bench = Bench()
    attempts = Run(bench, {"seconds": 10})
    attempts.begin(0)
    attempts.begin(1)
    await settle()
    for n in (0, 1):
        attempts.contexts[n].cancel_token.cancel("timeout")
    assert bench.contexts[0].cancel_token.reason == "timeout"
    bench.end(0, WorkerCancelled("timeout"))
    await settle()
    assert [type(attempts.told[n]) for n in (0, 1)] == [WorkerCancelled, WorkerCancelled]
    assert bench.started == [0]


@in_loop
async def test_a_worker_that_is_given_up_lets_the_others_go_on_and_stays_counted():
    bench, shared = Bench(), Budget()
    attempts = Run(bench, {"tokens": 100, "reserve": {"tokens": 50}, "attempts": 9}, shared)
    for n in range(3):
        attempts.begin(n)
    await settle()
    attempts.contexts[0].cancel_token.cancel("timeout")
    attempts.clock.advance(7_000)
    await settle()
    assert bench.started == [0, 1]  # 50 counted for good, 50 reserved
    bench.end(1)
    await settle()
    assert bench.started == [0, 1, 2]
    attempts.begin(3, step_key=None)
    await settle()
    assert "50 of 100 spent, 50 reserved by others" in str(attempts.told[3])
    bench.end(0)  # at last
    bench.end(2)
    await settle()
    assert shared._runs == {}


@in_loop
async def test_what_a_dead_process_left_unsettled_stays_counted():
    bench = Bench()
    options = {"tokens": 1_000, "reserve": {"tokens": 300}}
    before = Run(bench, options)
    for n in range(3):
        before.begin(n)
    await settle()
    before.use(1, tokens=350)
    after = Run(Bench(), options, ledger=before.ledger)  # another process with the same journal
    after.begin(2)  # had delivered: its attempt is settled now
    await settle()
    assert after.account.entries.keys() == {f"T-{n:016x}" for n in range(3)}
    after.spawner.inner.end(2)
    await settle()
    after.begin(0, attempt=2)
    await settle()
    assert after.spawner.inner.started == [2, 0]  # 300 + 350 + 300 = 950
    after.begin(1, attempt=2)
    after.use(0, tokens=300)
    after.spawner.inner.end(0)
    await settle()
    assert isinstance(after.told[1], BudgetExhausted)
    assert after.account.settled.tokens == 600
    assert after.account.entries.keys() == {"T-0000000000000001"}


@in_loop
async def test_the_line_is_bounded():
    bench = Bench()
    attempts = Run(bench, {"tokens": 1}, limits=Limits(layer_waiting=1))
    for n in range(3):
        attempts.begin(n)
    await settle()
    assert isinstance(attempts.told[2], LimitExceeded)


@in_loop
async def test_attempts_outside_a_run_have_no_budget():
    bench = Bench()
    attempts = Run(bench, {"attempts": 0})
    attempts.begin(0, run_id=None)
    await settle()
    assert bench.started == [0]
    assert attempts.ledger.account is None


@pytest.mark.parametrize("runs_ahead", [True, False])
def test_a_reservation_is_durable_before_a_worker_outside_starts(runs_ahead):
    async def main():
        bench, durable = Bench(), asyncio.Event()
        bench.runs_ahead = runs_ahead
        attempts = Run(bench, {"attempts": 1})
        attempts.begin(0)
        attempts.contexts[0].channel.durable = durable.wait
        await settle()
        assert bench.started == ([0] if runs_ahead else [])
        assert attempts.account.entries
        durable.set()
        await settle()
        assert bench.started == [0]

    run(main())


ACTS = st.tuples(
    st.sampled_from(["begin", "end", "fail", "cancel", "kill", "use", "turn"]),
    st.integers(0, 9),
    st.integers(0, 12),
)


@given(limit=st.integers(0, 40), reserve=st.integers(1, 12), acts=st.lists(ACTS))
def test_reserved_and_spent_together_never_exceed_the_limit(limit, reserve, acts):
    async def main():
        reserved = min(reserve, limit) or 1
        bench, shared = Bench(), Budget()
        attempts = Run(bench, {"tokens": limit, "reserve": {"tokens": reserved}}, shared)
        begun = 0
        for act, number, tokens in acts:
            running = bench.running
            if act == "begin":
                attempts.begin(begun)
                begun += 1
            elif act in ("end", "fail") and running:
                bench.end(running[number % len(running)], None if act == "end" else WorkerFailed("no"))
            elif act == "use" and running:
                attempts.use(running[number % len(running)], tokens=min(tokens, reserved))
            elif act == "cancel" and begun:
                attempts.contexts[number % begun].cancel_token.cancel("no")
            elif act == "kill" and begun:
                attempts.tasks[number % begun].cancel()
            await asyncio.sleep(0)
            account = attempts.account
            open_ = sum(entry.counted.tokens for entry in account.entries.values())
            assert account.settled.tokens + open_ <= limit
        while await settle() or bench.running:
            bench.end(bench.running[0])
        assert all(task.done() for task in attempts.tasks.values())
        assert shared._runs == {}
        assert attempts.account.entries == {}

    run(main())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "limits nothing"),
        ({"reserve": {"tokens": 1}}, "limits nothing"),
        ({"tokens": -1}, "tokens"),
        ({"tokens": 1.5}, "tokens"),
        ({"attempts": 1, "reserve": {"tokens": 1}}, "tokens has no limit"),
        ({"tokens": 5, "reserve": {"tokens": 6}}, "reserve less"),
        ({"money": 5, "reserve": {"money": 0}}, "reserve less"),
        ({"hours": 1}, "hours"),
    ],
)
def test_options_that_say_nothing_sensible_are_problems(options, said):
    problems = HINT.check(options, "at")
    assert problems
    assert said in str(problems[0])


def test_options_that_are_fine():
    for options in ({"attempts": 1}, {"seconds": 2.5, "money": 1, "reserve": {"money": 0.1, "seconds": 1}}):
        assert HINT.check(options, "at") == []
