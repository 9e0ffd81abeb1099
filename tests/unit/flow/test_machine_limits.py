from __future__ import annotations

import re
import sys

import msgspec
import pytest

from machines import Drive, branch, fanout, let, loop, parallel, seq, step, try_
from skep.errors import LimitExceeded
from skep.flow.inputs import CancelRequested, Settled, Started
from skep.flow.machine import Machine
from skep.flow.program import compile_flow
from skep.limits import Limits


def finish(flow, ctx=None):
    """The end of a flow without steps, without the drive's checks."""
    changes = Machine(compile_flow(flow)).feed(Started(ctx or {}))
    assert changes.ended is not None
    return changes.ended


# -- nothing recurses --------------------------------------------------------------------------


def test_many_children_and_turns_need_no_stack():
    turns = 100_000
    limit = sys.getrecursionlimit()
    assert finish(loop(let("$.x", "$.n"), turns)).ctx == {"n": turns, "x": turns - 1}
    assert finish(seq(*[let("$.x", "1")] * 50_000)).ctx == {"x": 1}
    assert finish(loop(try_(let("$.x", "1 / 0")), 10_000)).ctx["n"] == 10_000
    assert sys.getrecursionlimit() == limit


@pytest.mark.slow
def test_a_million_pure_turns():
    assert finish(loop(let("$.x", "$.n"), 1_000_000)).ctx["n"] == 1_000_000


@pytest.mark.parametrize("concurrency", [None, 1, 7])
def test_many_lanes_that_end_at_once_need_no_stack(concurrency):
    flow = fanout(let("$.r", "$.item"), max_concurrency=concurrency)
    items = list(range(5_000))
    assert finish(flow, {"items": items}).ctx["out"] == items


def test_deep_nesting_is_refused_when_compiled():
    flow = let("$.x", "1")
    for _ in range(10_000):
        flow = seq(flow)
    with pytest.raises(LimitExceeded, match="max_blueprint_depth"):
        compile_flow(flow)


def test_ninety_nested_fanouts_run_and_survive_json():
    flow = step(given="$.item")
    for _ in range(90):
        flow = fanout(flow, select="1", items="[1, 2]", max_concurrency=1)
    drive = Drive(flow)
    assert drive.keys == ["0" + "[0]" * 90]
    drive.fail(drive.keys[0])
    assert drive.error["step"] == "0" + "[0]" * 90


# -- ceilings ----------------------------------------------------------------------------------


def test_max_steps_ends_the_run_and_no_try_catches_it():
    drive = Drive(try_(loop(step(), 100), step("mend")), limits=Limits(max_steps=3))
    for turn in range(3):
        drive.ok(f"0/body[{turn}]")
    assert drive.error["code"] == "E-LIMIT"
    assert "max_steps of 3" in drive.error["message"]
    assert drive.error["step"] == "0/body[3]"


def test_max_steps_counts_every_lane_and_awaits_those_that_run():
    drive = Drive(parallel({"first": step(), "more": loop(step(), 9)}), limits=Limits(max_steps=3))
    drive.ok("0/more[0]")
    assert drive.ok("0/more[1]").dropped == ("0/first",)
    assert drive.ended is None
    drive.end("0/first")
    assert "max_steps" in drive.error["message"]


def test_a_cancel_after_the_ceiling_changes_nothing():
    drive = Drive(parallel({"first": step(), "more": loop(step(), 9)}), limits=Limits(max_steps=2))
    drive.ok("0/more[0]")
    drive.feed(CancelRequested("late"))
    drive.end("0/first")
    assert drive.error["code"] == "E-LIMIT"


def test_steps_beyond_the_ceiling_in_one_feed_never_start():
    drive = Drive(fanout(step(given="$.item"), items="[1, 2, 3]"), limits=Limits(max_steps=2))
    assert drive.changes.wants == ()
    assert drive.error["code"] == "E-LIMIT"


@pytest.mark.parametrize(
    "body",
    [
        let("$.x", "1"),
        seq(),
        branch("true", seq()),
        try_(let("$.x", "1 / 0")),
        loop(seq(), 5, counter="$.m"),
        fanout(seq(), items="[1, 2]", select="1"),
        fanout(seq(), items="[1, 2]", bind="$.n.no", join="all_settled"),
        parallel({"a": seq()}, select="1"),
    ],
)
def test_turns_without_a_step_are_bounded_and_no_try_catches_it(body):
    limits = Limits(max_pure_nodes=1_000)
    assert Drive(try_(loop(body, 100)), limits=limits).ended.status == "done"
    error = Drive(try_(loop(body, 2_000)), limits=limits).error
    assert error["code"] == "E-LIMIT"
    assert "max_pure_nodes of 1,000" in error["message"]


def test_more_open_steps_than_a_run_may_have_end_it():
    limits = Limits(max_open_tasks=2)
    narrow = fanout(step(given="$.item"), items="[1, 2, 3]", max_concurrency=2)
    assert Drive(narrow, limits=limits).keys == ["0[0]", "0[1]"]
    assert "max_open_tasks of 2" in Drive(fanout(step(), items="[1, 2, 3]"), limits=limits).error["message"]


def test_a_step_between_gives_fresh_fuel():
    drive = Drive(loop(seq(loop(seq(), 600, counter="$.m"), step()), 3), limits=Limits(max_pure_nodes=1_000))
    for turn in range(3):
        drive.ok(f"0[{turn}]/1")
    assert drive.ctx["n"] == 3


def test_a_huge_fanout_is_bounded():
    for flow in (fanout(seq(), select="1"), fanout(seq(), join="all_settled", bind="$.items.no")):
        error = Drive(flow, {"items": [0] * 3_000}, limits=Limits(max_pure_nodes=1_000)).error
        assert error["code"] == "E-LIMIT"


# -- values that a flow builds -----------------------------------------------------------------

DOUBLED = loop(let("$.x", "[$.x, $.x]"), 60)


@pytest.mark.parametrize(
    "flow",
    [
        DOUBLED,
        try_(DOUBLED),
        loop(fanout(seq(), items="[1, 2]", select="$.x", out="$.x"), 60),
        loop(seq(let("$.a.x", "$.a"), let("$.a.y", "$.a")), 60),
    ],
)
def test_a_value_that_doubles_without_end_is_stopped(flow):
    error = finish(flow, {"x": [1], "a": {}}).error
    assert error is not None
    assert error["code"] == "E-LIMIT"
    assert "max_value" in error["message"]
    assert re.match(r"0(/body)?\[\d+\]", error["step"]), "not where it is built, but at the end"


@pytest.mark.parametrize("given", ["$", "[$.x]", "$.x", "{'a': $.y}", "{'a': [$.x]}"])
def test_a_step_input_beyond_the_limit_is_stopped_before_it_is_encoded(monkeypatch, given):
    monkeypatch.setattr("skep.values.canonical", lambda value: pytest.fail(f"encodes {str(value)[:40]}"))
    ctx = {"x": "t" * 2_000, "y": ["t" * 300] * 4}
    error = Drive(try_(step(given=given)), ctx, limits=Limits(max_value_bytes=1_000)).error
    assert (error["code"], error["step"]) == ("E-LIMIT", "0/body")


def test_a_step_input_that_only_its_encoding_shows_to_be_too_large_is_stopped():
    text = chr(0x1F41D) * 300
    error = Drive(step(given="{'a': $.x}"), {"x": text}, limits=Limits(max_value_bytes=1_000)).error
    assert "max_value_bytes of 1,000" in error["message"]


def test_a_step_input_nested_too_deeply_is_stopped():
    error = Drive(
        seq(loop(let("$.x", "[$.x]"), 90), step(given="{'a': {'b': [[[[[[[[[$.x]]]]]]]]]}}")), {"x": 1}
    ).error
    assert "max_value_depth" in error["message"]


def test_a_final_ctx_that_no_store_could_hold_fails_the_run():
    flow = seq(*[let(f"$.k{n}", "$.big") for n in range(20)])
    error = Drive(flow, {"big": "x" * 1_000}, limits=Limits(max_value_bytes=10_000)).error
    assert "max_value_bytes of 10,000" in error["message"]


# -- size of what is kept ----------------------------------------------------------------------


def test_a_long_chain_keeps_nothing_of_what_has_finished():
    machine = Machine(compile_flow(loop(step(given="$.n"), 1_000_000)))
    [want] = machine.feed(Started({})).wants
    sizes = []
    for turn in range(2_001):
        [want] = machine.feed(Settled(want.key, "pass", "a", want.digest, value=turn)).wants
        if turn in (1_000, 2_000):
            sizes.append(len(msgspec.json.encode(machine.dump())))
    assert sizes[0] == sizes[1] < 1_000


def test_a_lane_that_has_settled_is_forgotten_and_items_are_kept_only_for_lanes_to_come():
    drive = Drive(fanout(step(given="$.item"), max_concurrency=2), {"items": [1, 2, 3]})
    assert drive.machine.dump().lanes[0].stack[-1].items == [1, 2, 3]
    drive.ok("0[0]")
    root, *lanes = drive.machine.dump().lanes
    assert [lane.key for lane in lanes] == ["0[1]", "0[2]"]
    assert root.stack[-1].items == []


def test_a_dump_is_not_touched_by_what_comes_after_it_and_neither_is_what_was_loaded():
    drive = Drive(
        seq(fanout(fanout(step(given="$.item"), join="any"), select="$.out"), step()), {"items": [1, 2, 3]}
    )
    drive.ok("0[0][0]", "won")
    state = drive.machine.dump()
    before = msgspec.json.encode(state)
    for machine in (drive.machine, Machine.load(drive.program, state)):
        for event in (
            Settled("0[0][1]", "cancelled", "", ""),
            Settled("0[0][2]", "cancelled", "", ""),
            Settled("0[1][0]", "error", "a", machine.wanted()[0].digest),
            CancelRequested("stop"),
        ):
            machine.feed(event)
        assert msgspec.json.encode(state) == before
