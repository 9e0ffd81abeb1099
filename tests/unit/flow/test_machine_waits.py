"""Questions, timers and signals in the machine, and steps that are skipped."""

from __future__ import annotations

from itertools import permutations

import pytest

from machines import (
    Drive,
    ask,
    branch,
    expr,
    fanout,
    let,
    loop,
    parallel,
    seq,
    step,
    through_json,
    try_,
    wait,
)
from skep.core.questions import question_digest
from skep.errors import BlueprintError, InvalidTransition, ReplayDiverged
from skep.flow import nodes
from skep.flow.inputs import (
    Answered,
    AskWant,
    CancelRequested,
    Changes,
    Ended,
    Settled,
    Signalled,
    SignalWant,
    Started,
    TimerFired,
    TimerWant,
    Unanswered,
)
from skep.flow.machine import Machine
from skep.flow.path import parse_path
from skep.flow.program import compile_flow
from skep.limits import Limits

GO = wait(signal="go", out="$.r")
THREE = {"items": ["a", "b", "c"]}

# -- ask ---------------------------------------------------------------------------------------


def test_a_question_says_all_that_is_to_be_asked_and_its_answer_is_written():
    schema = {"type": "boolean"}
    node = ask(
        "{'ship': $.version}",
        "$.ok",
        "seat:lead",
        schema=schema,
        deadline=60.0,
        on_timeout={"value": False},
        approval=True,
        allow_self=True,
        id="gate",
    )
    drive = Drive(seq(node, let("$.seen", "$.ok")), {"version": 3})
    question = {"ship": 3}
    digest = question_digest(question, ("seat:lead",), schema)
    want = AskWant(
        "gate",
        question,
        ("seat:lead",),
        schema,
        60.0,
        {"value": False},
        approval=True,
        allow_self=True,
        digest=digest,
    )
    assert drive.changes == Changes(asks=(want,))
    drive.answer("gate", {"yes": 1})
    assert drive.ctx == {"version": 3, "ok": {"yes": 1}, "seen": {"yes": 1}}


def test_an_unanswered_question_is_an_error_that_try_catches():
    drive = Drive(ask())
    drive.leave_unanswered("0", "no answer within 60 s")
    assert (drive.error["code"], drive.error["message"]) == ("E-ASK-TIMEOUT", "no answer within 60 s")
    assert drive.error["step"] == "0"
    assert "on_timeout" in drive.error["fix"]
    drive = Drive(try_(seq(let("$.x", "1"), ask())))
    drive.leave_unanswered("0/body/1", "late")
    assert drive.ctx == {"err": "late"}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_three_questions_in_three_lanes_are_answered_in_any_order_across_recoveries(order):
    drive = Drive(seq(fanout(ask("$.item")), step()), THREE)
    assert [want.question for want in drive.machine.wanted()] == ["a", "b", "c"]
    for number in order:
        drive.recover()
        drive.answer(f"0[{number}]", number)
    assert drive.live["1"].input["out"] == [0, 1, 2]


def test_an_open_question_does_not_keep_its_siblings():
    drive = Drive(parallel({"ask": ask(), "work": seq(step(), step())}))
    drive.ok("0/work/0")
    drive.ok("0/work/1", "done")
    assert drive.keys == ["0/ask"]
    drive.answer("0/ask", "yes")
    assert drive.ctx == {"out": {"ask": "yes", "work": "done"}}


def test_the_same_question_in_every_turn_has_a_key_of_its_own():
    drive = Drive(loop(ask(), 2))
    drive.answer("0[0]")
    assert drive.keys == ["0[1]"]


def test_an_answer_that_does_not_fit_the_ctx_fails_the_node():
    drive = Drive(ask(out="$.r.x"), {"r": 1})
    drive.answer("0", 2)
    assert drive.error["code"] == "E-PATH"


def test_a_question_that_cannot_be_evaluated_is_an_error():
    assert Drive(try_(ask("$.nope"))).ctx == {"err": "path not found: $.nope"}


def test_a_question_larger_than_a_value_may_be_ends_the_run():
    drive = Drive(try_(ask("$.text")), {"text": "x" * 200}, Limits(max_value_bytes=100))
    assert drive.error["code"] == "E-LIMIT"


# -- wait for a time ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "want"),
    [
        (wait(for_="1.5"), TimerWant("0", seconds=1.5)),
        (wait(for_="$.n - 4"), TimerWant("0", seconds=0.0)),
        (wait(until="1.5"), TimerWant("0", until=1_500)),
        (wait(until="'1970-01-02T00:00:00Z'"), TimerWant("0", until=86_400_000)),
        (wait(until="-5"), TimerWant("0", until=0)),
    ],
)
def test_a_time_is_a_timer_and_writes_nothing(node, want):
    drive = Drive(node, {"n": 3})
    assert drive.changes == Changes(timers=(want,))
    drive.fire("0")
    assert drive.ctx == {"n": 3}


@pytest.mark.parametrize("node", [wait(for_="'soon'"), wait(for_="1e12"), wait(until="null")])
def test_what_is_no_time_is_an_error_that_try_catches(node):
    assert "wait." in Drive(try_(node)).ctx["err"]


# -- wait for a signal -------------------------------------------------------------------------


def test_a_signal_brings_its_value_to_who_waits_for_its_name():
    drive = Drive(parallel({"a": GO, "b": wait(signal="stop", out="$.r")}))
    assert drive.changes.signals == (SignalWant("0/a", "go"), SignalWant("0/b", "stop"))
    assert drive.machine.awaits_signal("go")
    drive.signal("stop", 2)
    assert not drive.machine.awaits_signal("stop")
    drive.signal("go", 1)
    assert drive.ctx == {"out": {"a": 1, "b": 2}}


def test_a_signal_without_out_only_sets_the_lane_going():
    drive = Drive(wait(signal="go"))
    drive.signal("go", 1)
    assert drive.ctx == {}


def test_early_signals_are_kept_in_order_by_name_and_taken_by_the_next_waits():
    turns = loop(seq(GO, let("$.all", "concat($.all, [$.r])")), 3)
    drive = Drive(seq(step(), turns), {"all": []})
    for name, value in (("go", 1), ("other", 9), ("go", 2)):
        assert drive.signal(name, value) == Changes()
    assert drive.machine.kept_signals == 3
    drive.recover()
    drive.ok("0")
    assert drive.keys == ["1[2]/0"]
    assert drive.machine.kept_signals == 1
    drive.signal("go", 3)
    assert drive.ctx["all"] == [1, 2, 3]


def test_the_lane_that_has_waited_longest_gets_the_signal():
    first = seq(step(), GO)
    drive = Drive(parallel({"a": first, "b": GO, "c": GO}))
    drive.ok("0/a/0")
    drive.recover()
    for value in (1, 2, 3):
        drive.signal("go", value)
    assert drive.ctx["out"] == {"b": 1, "c": 2, "a": 3}


def test_one_signal_sets_one_lane_going():
    drive = Drive(fanout(GO), THREE)
    drive.signal("go", 1)
    assert drive.keys == ["0[1]", "0[2]"]
    assert drive.machine.kept_signals == 0


def test_a_lane_that_is_gone_gets_no_signal():
    race = parallel({"late": wait(for_="60"), "paid": GO}, "race", "1")
    drive = Drive(seq(race, step(), GO))
    changes = drive.fire("0/late")
    assert changes.withdrawn == ("0/paid",)
    assert not drive.machine.awaits_signal("go")
    drive.signal("go", 7)
    assert drive.machine.kept_signals == 1
    drive.ok("1")
    assert drive.ctx["r"] == 7


# -- withdrawn ---------------------------------------------------------------------------------


def test_losers_that_are_no_steps_are_withdrawn_and_not_awaited():
    lanes = {"work": step(), "ask": ask(), "time": wait(for_="60"), "go": seq(GO)}
    drive = Drive(seq(parallel(lanes, "race"), let("$.next", "1")))
    changes = drive.ok("0/work", 5)
    assert changes.withdrawn == ("0/ask", "0/time", "0/go/0")
    assert changes.dropped == ()
    assert drive.ctx == {"out": {"work": 5}, "next": 1}


def test_only_the_end_of_dropped_steps_is_awaited():
    drive = Drive(seq(parallel({"work": step(), "ask": ask(), "time": wait(for_="60")}, "any"), step("next")))
    changes = drive.answer("0/ask", "yes")
    assert (changes.dropped, changes.withdrawn) == (("0/work",), ("0/time",))
    assert drive.keys == []
    drive.end("0/work")
    assert drive.keys == ["1"]


def test_a_cancel_withdraws_everything():
    drive = Drive(try_(parallel({"ask": ask(), "time": wait(for_="60"), "go": GO}, "all_settled")))
    changes = drive.cancel("enough")
    assert changes.withdrawn == ("0/body/ask", "0/body/time", "0/body/go")
    assert changes.ended == Ended("cancelled", reason="enough")


def test_a_cancel_still_waits_for_workers():
    drive = Drive(parallel({"ask": ask(), "work": step()}))
    assert drive.cancel().ended is None
    drive.signal("go")
    drive.end("0/work")
    assert drive.ended == Ended("cancelled", reason="enough")


def test_what_was_wanted_and_dropped_within_one_feed_never_leaves_the_machine():
    drive = Drive(parallel({"ask": ask(), "go": GO, "fail": let("$.x", "1 / 0")}))
    assert drive.changes.asks == drive.changes.signals == drive.changes.withdrawn == ()
    assert drive.error["code"] == "E-DIV-ZERO"


# -- skip_if -----------------------------------------------------------------------------------


def test_a_skipped_step_does_nothing_and_counts_nothing():
    skipped = step(node_id="s", skip_if=expr("exists($.done)"))
    drive = Drive(loop(skipped, 5), {"done": 1, "r": "old"}, Limits(max_steps=1))
    assert drive.ctx == {"done": 1, "r": "old", "n": 5}
    assert drive.machine.dump().steps == 0
    drive = Drive(skipped)
    drive.ok("s", 1)
    assert drive.ctx == {"r": 1}


def test_the_input_of_a_skipped_step_is_not_evaluated():
    assert Drive(step(given="$.nope", skip_if=expr("true"))).ctx == {}


def test_skip_if_must_be_a_boolean():
    drive = Drive(step(skip_if=expr("$.n")), {"n": 0})
    assert drive.error["code"] == "E-COND-NOT-BOOL"
    assert drive.error["message"] == "step skip_if must be boolean, got: 0"
    assert Drive(branch("$.n", seq()), {"n": 0}).error["message"] == "branch cond must be boolean, got: 0"


# -- what does not fit -------------------------------------------------------------------------

EVERY = {"step": step(), "ask": ask(), "time": wait(for_="60"), "go": GO}


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Answered("0/ask", "0" * 64, 1), "question " + "0" * 64),
        (Unanswered("0/ask", "0" * 64, "late"), "question " + "0" * 64),
        (Answered("0/step", "x", 1), "the flow wants agent 'a'"),
        (Answered("0/time", "x", 1), "the flow wants a timer"),
        (Answered("0/go", "x", 1), "the flow wants signal 'go'"),
        (Answered("0/nope", "x", 1), "the flow wants nothing"),
        (TimerFired("0/ask"), "recorded for a timer, but the flow wants question"),
        (TimerFired("0/step"), "recorded for a timer"),
        (TimerFired("0/nope"), "the flow wants nothing"),
        (Settled("0/ask", "pass", "a", "d"), "recorded for agent 'a' with input d"),
        (Settled("0/time", "pass", "a", "d"), "the flow wants a timer"),
    ],
)
def test_a_record_of_something_else_diverges_and_changes_nothing(event, shown):
    drive = Drive(parallel(EVERY))
    before = drive.machine.dump()
    with pytest.raises(ReplayDiverged) as caught:
        drive.machine.feed(event)
    assert shown in str(caught.value)
    assert caught.value.where == event.key
    assert drive.machine.dump() == before


def test_an_answer_counts_once():
    drive = Drive(parallel(EVERY))
    answer = Answered("0/ask", drive.live["0/ask"].digest, 1)
    drive.feed(answer)
    with pytest.raises(ReplayDiverged):
        drive.machine.feed(answer)


@pytest.mark.parametrize("event", [Answered("0", "d", 1), TimerFired("0"), Signalled("go")])
def test_nothing_comes_before_the_start_or_after_the_end(event):
    machine = Machine(compile_flow(let("$.x", "1")))
    with pytest.raises(InvalidTransition, match="not started"):
        machine.feed(event)
    machine.feed(Started({}))
    with pytest.raises(InvalidTransition, match="ended"):
        machine.feed(event)
    machine.feed(CancelRequested("late"))


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (nodes.Wait(), "needs one of"),
        (nodes.Wait(for_=expr("1"), signal="go"), "for and signal"),
        (wait(for_="1", out="$.x"), "no value for out"),
    ],
)
def test_a_wait_whose_fields_do_not_go_together_is_not_compiled(node, text):
    with pytest.raises(BlueprintError, match=text):
        compile_flow(node)


# -- bounds ------------------------------------------------------------------------------------


def test_questions_timers_and_signals_count_to_max_steps():
    for node in (ask(), wait(for_="1"), wait(signal="go")):
        drive = Drive(fanout(node, select="1"), THREE, Limits(max_steps=2))
        assert drive.error["code"] == "E-LIMIT"
        assert drive.changes == Changes(ended=drive.ended)


def test_open_questions_count_to_what_may_be_open():
    drive = Drive(fanout(ask()), THREE, Limits(max_open_tasks=2))
    assert "max_open_tasks" in drive.error["message"]


def test_ten_thousand_open_questions_are_withdrawn_together():
    drive = Machine(compile_flow(parallel({"many": fanout(ask()), "go": fanout(GO), "end": step()}, "race")))
    changes = drive.feed(Started({"items": list(range(4_999))}))
    assert len(changes.asks) == len(changes.signals) == 4_999
    [want] = changes.wants
    changes = drive.feed(Settled(want.key, "pass", want.agent, want.digest, 1))
    assert len(changes.withdrawn) == 9_998
    assert changes.ended is not None
    assert not drive.awaits_signal("go")


def test_paths_are_written_where_told():
    drive = Drive(nodes.Wait(signal="go", out=parse_path("$.deep.down")))
    drive.signal("go", [1])
    assert drive.ctx == {"deep": {"down": [1]}}


def test_a_question_deeper_than_a_value_may_be_ends_the_run():
    drive = Drive(try_(ask("[$.x]")), {"x": [[1]]}, Limits(max_value_depth=2))
    assert "max_value_depth" in drive.error["message"]


# -- what is dumped and told -------------------------------------------------------------------


def test_a_dump_stays_as_it_is_while_the_machine_goes_on():
    drive = Drive(parallel({"go": GO, "stop": wait(signal="stop")}))
    drive.signal("early", 1)
    dump = drive.machine.dump()
    before = through_json(dump)
    twin = Machine.load(drive.program, dump)
    for machine in (drive.machine, twin):
        machine.feed(Signalled("early", 2))
        machine.feed(Signalled("go", 3))
    assert dump == before


def test_what_is_withdrawn_is_said_once():
    race = parallel({"ask": ask(), "time": wait(for_="60")}, "race", "1")
    drive = Drive(seq(race, race))
    assert drive.answer("0/ask").withdrawn == ("0/time",)
    assert drive.fire("1/time").withdrawn == ("1/ask",)
