from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.layers.bench import Attempts, Bench, layer_env, settle

from skep.errors import LimitExceeded, RejectedByMiddleware, WorkerCancelled, WorkerFailed
from skep.layers.concurrency import HINT, Concurrency
from skep.limits import Limits
from skep.testing.aio import in_loop, run
from skep.testing.clock import FakeClock
from skep.testing.workers import make_ctx


def limited(bench, shared=None, options=None, **env):
    options = {"max": 1} if options is None else options
    return Attempts((shared or Concurrency()).factory(options, layer_env(**env))(bench))


@in_loop
async def test_the_rest_wait_in_order():
    bench = Bench()
    attempts = limited(bench, options={"max": 2})
    for n in range(5):
        attempts.begin(n)
    await settle()
    assert bench.started == [0, 1]
    bench.end(1)
    await settle()
    assert bench.started == [0, 1, 2]
    for n in (0, 2):
        bench.end(n)
    await settle()
    assert bench.started == [0, 1, 2, 3, 4]


@in_loop
async def test_a_late_comer_does_not_overtake():
    bench = Bench()
    attempts = limited(bench)
    attempts.begin(0)
    await settle()
    attempts.begin(1)
    await settle()
    bench.end(0)
    attempts.begin(2)
    await settle()
    assert bench.started == [0, 1]


@in_loop
async def test_a_stranger_s_blueprint_holds_nobody_else_up():
    bench, shared = Bench(), Concurrency()
    stranger, ours = limited(bench, shared, trusted=False), limited(bench, shared, {"max": 2})
    for n in range(3):
        stranger.begin(n)
    await settle()
    ours.begin(3)
    await settle()
    assert bench.started == [0, 3]


@in_loop
async def test_one_line_for_an_agent_across_blueprints_and_another_for_another():
    bench, shared = Bench(), Concurrency()
    here, there = limited(bench, shared), limited(bench, shared, {"max": 2})
    other = limited(bench, shared, agent="b")
    here.begin(0)
    await settle()
    here.begin(1)
    there.begin(2)
    other.begin(3)
    await settle()
    assert bench.started == [0, 3]  # 2 would fit, but 1 came first
    bench.end(0)
    await settle()
    assert bench.started == [0, 3, 1, 2]


@pytest.mark.parametrize(
    ("options", "most"),
    [({"max": 3, "agents": {"a": 1}}, 1), ({"max": 3, "agents": {"b": 1}}, 3), ({"agents": {"b": 1}}, 5)],
)
def test_max_is_for_all_and_agents_for_single_ones(options, most):
    async def main():
        bench = Bench()
        attempts = limited(bench, options=options)
        for n in range(5):
            attempts.begin(n)
        await settle()
        assert len(bench.started) == most

    run(main())


def test_an_agent_without_a_limit_has_no_layer():
    bench = Bench()
    assert Concurrency().factory({"agents": {"b": 1}}, layer_env())(bench) is bench


@in_loop
async def test_a_slot_comes_back_whatever_happens_to_the_attempt():
    bench, shared = Bench(), Concurrency()
    attempts = limited(bench, shared)
    bench.refuse = RejectedByMiddleware("no")
    attempts.begin(0)
    await settle()
    bench.refuse = RuntimeError("broken spawner")
    attempts.begin(1)
    await settle()
    with pytest.raises(RuntimeError):
        attempts.tasks[1].result()
    bench.refuse = None
    attempts.begin(2)
    await settle()
    bench.end(2, WorkerFailed("crashed"))
    attempts.begin(3)
    await settle()
    bench.end(3, WorkerCancelled("cancelled"))
    attempts.begin(4)
    await settle()
    attempts.tasks[4].cancel()
    bench.end(4)
    await settle()
    assert bench.started == [2, 3, 4]
    assert isinstance(attempts.told[0], RejectedByMiddleware)
    assert shared._agents == {}


@in_loop
async def test_a_worker_that_never_ends_loses_its_slot_when_it_is_given_up():
    clock, bench, shared = FakeClock(), Bench(), Concurrency()
    attempts = limited(bench, shared, clock=clock)
    attempts.begin(0)
    await settle()
    attempts.begin(1)
    await settle()
    attempts.contexts[0].cancel_token.cancel("timeout")
    clock.advance(6_999)
    await settle()
    assert bench.started == [0]
    clock.advance(1)
    await settle()
    assert bench.started == [0, 1]
    bench.end(0)  # at last: this slot is free already
    attempts.begin(2)
    await settle()
    assert bench.started == [0, 1]
    bench.end(1)
    await settle()
    bench.end(2)
    await settle()
    assert shared._agents == {}
    assert clock.waiting == 0


@in_loop
async def test_who_is_cancelled_leaves_the_line_at_once():
    bench = Bench()
    attempts = limited(bench)
    for n in range(4):
        attempts.begin(n)
    await settle()
    attempts.contexts[1].cancel_token.cancel("timeout")
    attempts.tasks[2].cancel()
    await settle()
    assert isinstance(attempts.told[1], WorkerCancelled)
    assert attempts.tasks[2].cancelled()
    bench.end(0)
    await settle()
    assert bench.started == [0, 3]


@in_loop
async def test_a_turn_that_nobody_takes_goes_to_the_next():
    bench = Bench()
    attempts = limited(bench)
    for n in range(3):
        attempts.begin(n)
    await settle()
    bench.end(0)
    await asyncio.sleep(0)
    while 1 not in attempts.told and not attempts.tasks[1].cancelled():
        attempts.tasks[1].cancel()  # in whatever turn of the loop it is let in
        await asyncio.sleep(0)
    await settle()
    assert bench.started[-1] == 2


@in_loop
async def test_the_line_is_bounded():
    bench = Bench()
    attempts = limited(bench, limits=Limits(layer_waiting=2))
    for n in range(4):
        attempts.begin(n)
    await settle()
    assert isinstance(attempts.told[3], LimitExceeded)
    assert attempts.told[3].name == "layer_waiting"


@in_loop
async def test_a_free_slot_costs_no_task_and_no_turn_of_the_loop():
    bench = Bench()
    layer = Concurrency().factory({"max": 1}, layer_env())(bench)
    spawning = layer.spawn(make_ctx(0))
    with pytest.raises(StopIteration):
        spawning.send(None)
    assert len(asyncio.all_tasks()) == 1


@given(
    most=st.integers(1, 4),
    acts=st.lists(st.tuples(st.sampled_from(["begin", "end", "cancel", "kill", "turn"]), st.integers(0, 9))),
)
def test_never_more_than_so_many_at_once_and_none_is_forgotten(most, acts):
    async def main():
        bench, shared, clock = Bench(), Concurrency(), FakeClock()
        attempts = limited(bench, shared, {"max": most}, clock=clock)
        begun = 0
        for act, number in acts:
            if act == "begin":
                attempts.begin(begun)
                begun += 1
            elif act == "end" and bench.running:
                bench.end(bench.running[number % len(bench.running)])
            elif act == "cancel" and begun:
                attempts.contexts[number % begun].cancel_token.cancel("no")
            elif act == "kill" and begun:
                attempts.tasks[number % begun].cancel()
            await asyncio.sleep(0)
        assert bench.peak <= most
        assert bench.started == sorted(bench.started)
        while await settle() or bench.running:
            bench.end(bench.running[0])
        assert all(task.done() for task in attempts.tasks.values())
        assert shared._agents == {}
        assert bench.peak <= most

    run(main())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "limits nothing"),
        ({"max": 0}, "max"),
        ({"max": "2"}, "max"),
        ({"maximum": 2}, "maximum"),
        ({"agents": {"a": 0}}, "agents.a"),
        ({"agents": ["a"]}, "agents"),
    ],
)
def test_options_that_say_nothing_sensible_are_problems(options, said):
    problems = HINT.check(options, "at")
    assert problems
    assert said in str(problems[0])


def test_options_that_are_fine():
    for options in ({"max": 1}, {"agents": {"a": 2}}, {"max": 3, "agents": {"a b": 2}}):
        assert HINT.check(options, "at") == []
