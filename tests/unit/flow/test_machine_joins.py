from __future__ import annotations

import pytest

from machines import Drive, branch, fanout, let, loop, parallel, seq, step, try_
from skep.flow.inputs import Settled

FOUR = {"items": ["a", "b", "c", "d"]}
TWO = {"items": ["a", "b"]}


def lanes(count):
    return [f"0[{number}]" for number in range(count)]


# -- all ---------------------------------------------------------------------------------------


def test_all_gives_whole_ctxs_in_item_order():
    drive = Drive(fanout(step(given="$.item"), select=None), FOUR)
    assert drive.keys == lanes(4)
    for key in ("0[2]", "0[0]", "0[3]", "0[1]"):
        drive.ok(key, key)
    expected = [{**FOUR, "item": item, "r": f"0[{n}]"} for n, item in enumerate(FOUR["items"])]
    assert drive.ctx == {**FOUR, "out": expected}


def test_select_is_evaluated_in_the_lane():
    drive = Drive(fanout(step(given="$.item"), select="[$.item, $.r]"), TWO)
    drive.ok("0[1]", 1)
    drive.ok("0[0]", 0)
    assert drive.ctx["out"] == [["a", 0], ["b", 1]]


def test_lane_writes_reach_the_parent_only_through_out():
    drive = Drive(
        seq(fanout(seq(let("$.x", "$.item"), let("$.y", "1"))), let("$.seen", "$.x")), {"items": [1], "x": 0}
    )
    assert drive.error["message"] == "path not found: $.r"
    flow = seq(fanout(seq(let("$.x", "$.item"), let("$.y", "1")), select="$.x"), let("$.seen", "$.x"))
    assert Drive(flow, {"items": [1], "x": 0}).ctx == {"items": [1], "x": 0, "out": [1], "seen": 0}


def test_an_error_in_select_is_that_of_the_lane():
    drive = Drive(fanout(seq(), join="all_settled", select="$.item / 0"), {"items": [1]})
    assert drive.ctx["out"] == [{"status": "rejected", "reason": "division by zero"}]
    drive = Drive(fanout(seq(let("$.x", "1")), select="$.item / 0"), {"items": [1]})
    assert drive.error["step"] == "0[0]"


def test_all_fails_with_its_first_error_only_when_the_other_lanes_have_ended():
    drive = Drive(seq(fanout(step(given="$.item")), step()), FOUR)
    drive.ok("0[0]")
    changes = drive.fail("0[2]", "first")
    assert changes.dropped == ("0[1]", "0[3]")
    assert (changes.wants, changes.ended) == ((), None)
    assert drive.machine.ending() == ["0[1]", "0[3]"]
    drive.end("0[3]")
    assert drive.ended is None
    drive.end("0[1]")
    assert drive.error["step"] == "0[2]"
    assert drive.error["message"].endswith("first")


def test_what_a_dropped_step_brings_is_ignored():
    drive = Drive(try_(fanout(step(given="$.item"))), TWO)
    drive.fail("0/body[0]")
    drive.feed(Settled("0/body[1]", "pass", agent="a", digest="whatever", value={"late": True}))
    assert drive.ctx == {**TWO, "err": "dispatcher error for ref 'a': boom"}


def test_try_around_a_failed_join_waits_for_the_losers_too():
    drive = Drive(try_(fanout(step(given="$.item")), step("mend")), TWO)
    drive.fail("0/body[1]")
    assert drive.keys == []
    drive.end("0/body[0]")
    assert drive.keys == ["0/catch"]


def test_a_try_inside_a_lane_keeps_the_lane_alive():
    drive = Drive(fanout(try_(step(given="$.item"), let("$.r", "$.err"))), TWO)
    drive.fail("0[0]/body")
    drive.ok("0[1]/body", 1)
    assert drive.ctx["out"] == ["dispatcher error for ref 'a': boom", 1]


# -- all_settled, any, race --------------------------------------------------------------------


def test_all_settled_records_both():
    drive = Drive(fanout(step(given="$.item"), join="all_settled"), TWO)
    drive.fail("0[0]", status="blocked", value={"n": 1})
    drive.ok("0[1]", 1)
    assert drive.ctx["out"] == [
        {"status": "rejected", "reason": "dispatcher error for ref 'a': blocked: {\"n\":1}"},
        {"status": "fulfilled", "value": 1},
    ]


def test_any_takes_the_first_success_and_awaits_the_losers():
    drive = Drive(seq(fanout(step(given="$.item"), join="any"), step("next")), FOUR)
    drive.fail("0[0]")
    assert drive.ok("0[2]", "won").dropped == ("0[1]", "0[3]")
    drive.end("0[1]")
    assert drive.keys == []
    drive.end("0[3]")
    assert drive.live["1"].input == {**FOUR, "out": "won"}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_any_with_every_lane_failed_raises_the_last_error_in_lane_order(order):
    drive = Drive(fanout(step(given="$.item"), join="any"), {"items": [1, 2, 3]})
    for number in order:
        drive.fail(f"0[{number}]", f"lane {number}")
    assert drive.error["message"].endswith("lane 2")
    assert drive.error["step"] == "0[2]"


def test_race_takes_the_first_to_settle_good_or_bad():
    drive = Drive(fanout(step(given="$.item"), join="race"), TWO)
    drive.ok("0[1]", "fast")
    drive.end("0[0]")
    assert drive.ctx["out"] == "fast"
    drive = Drive(fanout(step(given="$.item"), join="race"), TWO)
    drive.fail("0[1]", "fast")
    drive.end("0[0]")
    assert drive.error["message"].endswith("fast")


@pytest.mark.parametrize("join", ["all", "all_settled"])
def test_no_items_give_an_empty_array(join):
    assert Drive(fanout(step(), join=join), {"items": []}).ctx == {"items": [], "out": []}


@pytest.mark.parametrize("join", ["any", "race"])
def test_no_items_give_no_winner(join):
    error = Drive(seq(fanout(step(), join=join)), {"items": []}).error
    assert (error["code"], error["step"]) == ("E-EVAL", "0")
    assert "fanout.items" in error["message"]


@pytest.mark.parametrize("items", ["null", "'text'", "{'a': 1}", "3"])
def test_items_must_be_an_array(items):
    error = Drive(try_(fanout(step(), items=items), branch("1", seq()))).error
    assert error["code"] == "E-COND-NOT-BOOL", "the error can be caught"
    assert "fanout.items" in Drive(fanout(step(), items=items)).error["message"]


def test_a_bind_that_does_not_fit_is_an_error_of_each_lane():
    drive = Drive(fanout(step(), join="all_settled", bind="$.s.t"), {"items": [1, 2], "s": "text"})
    assert [lane["status"] for lane in drive.ctx["out"]] == ["rejected", "rejected"]


# -- parallel ----------------------------------------------------------------------------------


def test_parallel_gives_results_by_name_each_from_a_ctx_of_its_own():
    flow = parallel({"style": step("s"), "security": seq(let("$.x", "2"), step("t", "$.x"))})
    drive = Drive(flow, {"x": 1})
    assert [(want.key, want.agent) for want in drive.machine.wanted()] == [
        ("0/style", "s"),
        ("0/security/1", "t"),
    ]
    drive.ok("0/security/1", "B")
    drive.ok("0/style", "A")
    assert drive.ctx == {"x": 1, "out": {"style": "A", "security": "B"}}
    assert list(drive.ctx["out"]) == ["style", "security"]


@pytest.mark.parametrize("join", ["any", "race"])
def test_parallel_with_a_winner_has_one_member(join):
    drive = Drive(parallel({"left": step(), "middle": step(), "right": step()}, join=join))
    drive.ok("0/middle", 1)
    drive.end("0/left")
    drive.end("0/right")
    assert drive.ctx["out"] == {"middle": 1}


def test_parallel_all_settled():
    drive = Drive(parallel({"left": step(), "right": step()}, join="all_settled"))
    drive.fail("0/right")
    drive.ok("0/left", 1)
    assert drive.ctx["out"]["left"] == {"status": "fulfilled", "value": 1}
    assert drive.ctx["out"]["right"]["status"] == "rejected"


def test_parallel_without_branches():
    assert Drive(parallel({})).ctx == {"out": {}}
    assert "parallel.branches" in Drive(parallel({}, join="any")).error["message"]


# -- concurrency -------------------------------------------------------------------------------


def test_max_concurrency_starts_lanes_in_order_as_others_end():
    drive = Drive(fanout(seq(step(given="$.item"), step()), max_concurrency=2), FOUR)
    assert drive.keys == ["0[0]/0", "0[1]/0"]
    drive.ok("0[1]/0")
    assert drive.keys == ["0[0]/0", "0[1]/1"]
    drive.ok("0[1]/1")
    assert drive.keys == ["0[0]/0", "0[2]/0"]
    drive.ok("0[0]/0")
    drive.ok("0[0]/1")
    assert drive.keys == ["0[2]/0", "0[3]/0"]
    for key in ("0[3]/0", "0[3]/1", "0[2]/0", "0[2]/1"):
        drive.ok(key, key)
    assert drive.ctx["out"] == [None, None, "0[2]/1", "0[3]/1"]


def test_lanes_not_yet_started_never_start_once_the_join_is_decided():
    drive = Drive(fanout(step(given="$.item"), max_concurrency=2), FOUR)
    assert drive.fail("0[0]").dropped == ("0[1]",)
    drive.end("0[1]")
    assert drive.error["step"] == "0[0]"


def test_lanes_without_steps_run_through_a_narrow_door():
    drive = Drive(fanout(let("$.r", "$.item"), items="[3, 1, 2]", max_concurrency=1))
    assert drive.ctx == {"out": [3, 1, 2]}
    body = branch("$.item == 2", step(), let("$.r", "$.item"))
    drive = Drive(fanout(body, items="[3, 2, 1, 2, 5]", max_concurrency=1))
    drive.ok("0[1]/then", "x")
    drive.ok("0[3]/then", "y")
    assert drive.ctx == {"out": [3, "x", 1, "y", 5]}


def test_a_lane_that_ends_at_once_decides_before_later_lanes_begin():
    body = branch("$.item == 2", let("$.r", "$.item"), step())
    drive = Drive(fanout(body, join="race", items="[1, 2, 3]"))
    assert drive.ctx == {"out": 2}, "the step of lane 0 was never asked for, so there is no end to await"
    assert drive.changes.wants == ()
    assert drive.changes.dropped == ()


# -- nesting -----------------------------------------------------------------------------------


def nested(join="all"):
    return fanout(fanout(step(given="$.inner"), items="$.item", bind="$.inner"), join=join, select="$.out")


def test_nested_lanes_come_in_program_order():
    drive = Drive(nested(), {"items": [[1, 2], [3]]})
    assert drive.keys == ["0[0][0]", "0[0][1]", "0[1][0]"]
    for key in drive.keys[::-1]:
        drive.ok(key, key)
    assert drive.ctx["out"] == [["0[0][0]", "0[0][1]"], ["0[1][0]"]]


def test_dropping_a_lane_drops_all_that_it_started():
    drive = Drive(nested("race"), {"items": [[1, 2], [3]]})
    assert drive.ok("0[1][0]", "won").dropped == ("0[0][0]", "0[0][1]")
    drive.end("0[0][1]")
    drive.end("0[0][0]")
    assert drive.ctx["out"] == ["won"]


def test_a_join_dropped_while_its_losers_end_hands_them_to_the_one_that_dropped_it():
    drive = Drive(seq(nested("any"), step("next")), {"items": [[1, 2, 3], [4]]})
    drive.fail("0[0][1]")
    assert drive.machine.ending() == ["0[0][0]", "0[0][2]"]
    drive.end("0[0][0]")
    assert drive.ok("0[1][0]", "won").dropped == ()
    assert drive.keys == []
    drive.end("0[0][2]")
    assert drive.keys == ["1"]
    assert drive.live["1"].input["out"] == ["won"]


def test_an_inner_failure_reaches_the_outer_join_only_when_its_own_losers_have_ended():
    drive = Drive(nested("all"), {"items": [[1, 2], [3]]})
    drive.fail("0[0][0]")
    assert drive.keys == ["0[1][0]"], "the outer join is not decided before the inner one is through"
    drive.end("0[0][1]")
    assert drive.machine.ending() == ["0[1][0]"]
    drive.end("0[1][0]")
    assert drive.error["step"] == "0[0][0]"


def test_joins_in_loops_start_afresh():
    drive = Drive(loop(fanout(step(given="$.item"), join="race"), 2), TWO)
    drive.ok("0[0][0]", 1)
    drive.end("0[0][1]")
    drive.ok("0[1][1]", 2)
    drive.end("0[1][0]")
    assert drive.ctx["out"] == 2
