from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.layers.bench import Attempts, Bench, layer_env, settle

from skep.errors import LimitExceeded, WorkerCancelled
from skep.layers.rate_limit import HINT, RateLimit
from skep.limits import Limits
from skep.testing.aio import in_loop, run
from skep.testing.clock import FakeClock
from skep.testing.workers import make_ctx


class TimedBench(Bench):
    """Notes when each attempt began."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.times = []

    async def spawn(self, ctx):
        self.times.append(self.clock.now_ms())
        return await super().spawn(ctx)


def paced(options, shared=None, **env):
    clock = env.pop("clock", None) or FakeClock(0)
    bench = TimedBench(clock)
    layer = (shared or RateLimit()).factory(options, layer_env(clock, **env))
    return clock, bench, Attempts(layer(bench))


async def pass_time(clock, ms):
    """Let time pass from timer to timer, so that each attempt begins when its turn comes."""
    end = clock.now_ms() + ms
    while due := [when for when, _, timer in clock._timers if not timer.cancelled and when <= end]:
        clock.advance(max(0, min(due) - clock.now_ms()))
        await settle()
    clock.advance(end - clock.now_ms())


@in_loop
async def test_attempts_begin_one_by_one_at_the_rate():
    clock, bench, attempts = paced({"per_second": 4})
    for n in range(4):
        attempts.begin(n)
    await settle()
    await pass_time(clock, 1_000)
    assert bench.started == [0, 1, 2, 3]
    assert bench.times == [0, 250, 500, 750]
    assert clock.waiting == 0


@in_loop
async def test_a_burst_begins_at_once_and_comes_back_with_time():
    clock, bench, attempts = paced({"per_minute": 60, "burst": 3})
    for n in range(5):
        attempts.begin(n)
    await settle()
    assert bench.times == [0, 0, 0]
    clock.advance(5_000)
    await settle()
    assert len(bench.times) == 5
    clock.advance(60_000)
    for n in range(5, 10):
        attempts.begin(n)
    await settle()
    assert bench.times[5:] == [65_000] * 3


@in_loop
async def test_a_stranger_s_blueprint_holds_nobody_else_up():
    shared = RateLimit()
    clock, _, stranger = paced({"per_second": 1e-6}, shared, trusted=False)
    _, bench, ours = paced({"per_second": 10}, shared, clock=clock)
    for n in range(3):
        stranger.begin(n)
    await settle()
    ours.begin(3)
    await settle()
    assert bench.started == [3]


@in_loop
async def test_one_bucket_for_an_agent_and_one_for_another():
    shared, clock = RateLimit(), FakeClock(0)
    _, first, here = paced({"per_second": 1}, shared, clock=clock)
    _, second, there = paced({"per_second": 1}, shared, clock=clock)
    _, third, other = paced({"per_second": 1}, shared, clock=clock, agent="b")
    for attempts in (here, there, other):
        attempts.begin(0)
        await settle()
    assert (first.started, second.started, third.started) == ([0], [], [0])


@in_loop
async def test_agents_replaces_the_rate_and_without_one_there_is_no_layer():
    _, bench, attempts = paced({"per_second": 1, "agents": {"a": {"per_second": 1, "burst": 2}}})
    for n in range(3):
        attempts.begin(n)
    await settle()
    assert bench.started == [0, 1]
    layer = RateLimit().factory({"agents": {"b": {"per_second": 1}}}, layer_env())
    assert layer(bench) is bench


@in_loop
async def test_who_is_cancelled_leaves_and_takes_nothing():
    clock, bench, attempts = paced({"per_second": 1})
    for n in range(4):
        attempts.begin(n)
    await settle()
    attempts.contexts[1].cancel_token.cancel("timeout")
    attempts.tasks[2].cancel()
    await settle()
    assert isinstance(attempts.told[1], WorkerCancelled)
    clock.advance(1_000)
    await settle()
    assert (bench.started, bench.times) == ([0, 3], [0, 1_000])


@in_loop
async def test_a_turn_that_nobody_takes_is_the_next_ones():
    clock, bench, attempts = paced({"per_second": 1})
    for n in range(3):
        attempts.begin(n)
    await settle()
    clock.advance(1_000)  # the turn of 1, which does not see it
    attempts.tasks[1].cancel()
    await settle()
    assert (bench.started, bench.times) == ([0, 2], [0, 1_000])


@in_loop
async def test_the_line_and_the_memory_are_bounded():
    limits, shared, clock = Limits(layer_waiting=1, layer_memory=2), RateLimit(), FakeClock(0)
    _, _, attempts = paced({"per_second": 1}, shared, limits=limits, clock=clock)
    for n in range(3):
        attempts.begin(n)
    await settle()
    assert attempts.told[2].name == "layer_waiting"
    told = {}
    for agent in ("b", "c"):
        _, _, other = paced({"per_second": 1}, shared, agent=agent, limits=limits, clock=clock)
        other.begin(0)
        await settle()
        told[agent] = other.told.get(0)
    assert told["b"] is None
    assert isinstance(told["c"], LimitExceeded)
    clock.advance(10_000)  # both are full again
    _, bench, other = paced({"per_second": 1}, shared, agent="c", limits=limits, clock=clock)
    other.begin(0)
    await settle()
    assert bench.started == [0]


@in_loop
async def test_a_full_bucket_costs_no_task_and_no_turn_of_the_loop():
    layer = RateLimit().factory({"per_second": 1}, layer_env())(Bench())
    spawning = layer.spawn(make_ctx(0))
    with pytest.raises(StopIteration):
        spawning.send(None)
    assert len(asyncio.all_tasks()) == 1


@given(
    per_second=st.floats(0.3, 2_000),
    burst=st.integers(1, 4),
    acts=st.lists(st.tuples(st.sampled_from(["begin", "cancel", "kill", "pass"]), st.integers(0, 3_000))),
)
def test_never_above_the_rate_and_none_is_forgotten(per_second, burst, acts):
    async def main():
        clock, bench, attempts = paced({"per_second": per_second, "burst": burst})
        begun = 0
        for act, number in acts:
            if act == "begin":
                attempts.begin(begun)
                begun += 1
            elif act == "cancel" and begun:
                attempts.contexts[number % begun].cancel_token.cancel("no")
            elif act == "kill" and begun:
                attempts.tasks[number % begun].cancel()
            else:
                await pass_time(clock, number)
            await asyncio.sleep(0)
        await settle()
        await pass_time(clock, int(begun / per_second * 1000) + 1_000 + begun)
        assert bench.started == sorted(bench.started)
        for at, first in enumerate(bench.times):
            for further, last in enumerate(bench.times[at:], 1):
                assert further <= burst + (last - first) / 1000 * per_second + 1e-6
        for n in bench.running:
            bench.end(n)
        await settle()
        assert all(task.done() for task in attempts.tasks.values())
        assert clock.waiting == 0

    run(main())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "one of them"),
        ({"per_second": 1, "per_minute": 1}, "one of them"),
        ({"per_second": 0}, "per_second"),
        ({"per_second": 1, "burst": 0}, "burst"),
        ({"agents": {"a": {"burst": 2}}}, "agents.a"),
        ({"per_hour": 2}, "per_hour"),
    ],
)
def test_options_that_say_nothing_sensible_are_problems(options, said):
    problems = HINT.check(options, "at")
    assert problems
    assert said in str(problems[0])


def test_options_that_are_fine():
    for options in ({"per_second": 1}, {"per_minute": 0.5, "burst": 3}, {"agents": {"a": {"per_second": 2}}}):
        assert HINT.check(options, "at") == []
