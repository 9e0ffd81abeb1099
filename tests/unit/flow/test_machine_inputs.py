from __future__ import annotations

import pytest

from machines import Drive, fanout, let, seq, step, try_
from skep.errors import InvalidTransition, ReplayDiverged
from skep.flow.inputs import CancelRequested, Changes, Ended, Settled, Started
from skep.flow.machine import Machine
from skep.flow.program import compile_flow

TWO = {"items": ["a", "b"]}


# -- what does not fit -------------------------------------------------------------------------


def settled(drive, key, **changed):
    want = drive.live[key]
    fields = {"agent": want.agent, "digest": want.digest, **changed}
    return Settled(key, "pass", **fields)


@pytest.mark.parametrize(
    ("changed", "shown"), [({"agent": "other"}, "'other'"), ({"digest": "0" * 64}, "0" * 64)]
)
def test_a_record_of_another_agent_or_input_diverges(changed, shown):
    drive = Drive(step("coder", node_id="work"))
    before = drive.machine.dump()
    with pytest.raises(ReplayDiverged) as caught:
        drive.machine.feed(settled(drive, "work", **changed))
    for part in ("work", "'coder'", drive.live["work"].digest, shown):
        assert part in str(caught.value)
    assert drive.machine.dump() == before
    drive.ok("work", 1)
    assert drive.ctx["r"] == 1


def test_a_record_of_a_step_that_the_flow_does_not_have_diverges():
    drive = Drive(seq(step(), step()))
    before = drive.machine.dump()
    with pytest.raises(ReplayDiverged, match="'1'"):
        drive.machine.feed(Settled("1", "pass", "a", "d"))
    first = settled(drive, "0")
    drive.feed(first)
    with pytest.raises(ReplayDiverged, match="'0'"):
        drive.machine.feed(first)
    assert before != drive.machine.dump()
    assert drive.keys == ["1"]


def test_a_second_end_of_a_dropped_step_diverges():
    drive = Drive(fanout(step(given="$.item"), join="race", items="[1, 2, 3]"))
    drive.ok("0[0]")
    drive.end("0[1]")
    with pytest.raises(ReplayDiverged):
        drive.machine.feed(Settled("0[1]", "pass", "a", "d"))


def test_nothing_goes_in_before_the_start():
    machine = Machine(compile_flow(step()))
    for event in (Settled("0", "pass", "a", "d"), CancelRequested("why")):
        with pytest.raises(InvalidTransition, match="not started"):
            machine.feed(event)
    assert machine.wanted() == []
    assert machine.feed(Started({})).wants


def test_a_flow_starts_once():
    drive = Drive(step())
    with pytest.raises(InvalidTransition, match="already started"):
        drive.machine.feed(Started({}))


def test_a_cancel_after_the_end_comes_too_late():
    drive = Drive(let("$.x", "1"))
    assert drive.machine.feed(CancelRequested("why")) == Changes()
    assert drive.ctx == {"x": 1}


@pytest.mark.parametrize("event", [Started({}), Settled("0", "pass", "a", "d")])
def test_nothing_goes_in_after_the_end(event):
    drive = Drive(let("$.x", "1"))
    with pytest.raises(InvalidTransition, match=r"ended \(done\)"):
        drive.machine.feed(event)
    assert drive.ctx == {"x": 1}


# -- cancel ------------------------------------------------------------------------------------


def test_cancel_drops_everything_and_ends_when_all_has_ended():
    drive = Drive(try_(fanout(step(given="$.item")), step("mend")), TWO)
    changes = drive.cancel("user asked")
    assert changes.dropped == ("0/body[0]", "0/body[1]")
    assert changes.ended is None
    drive.end("0/body[1]")
    assert drive.end("0/body[0]").ended == Ended("cancelled", reason="user asked")


def test_what_a_step_brings_after_the_cancel_is_its_end():
    drive = Drive(seq(step(), step()))
    drive.cancel()
    drive.feed(Settled("0", "pass", "a", "whatever", value=1))
    assert drive.ended == Ended("cancelled", reason="enough")


def test_a_second_cancel_is_ignored():
    drive = Drive(step())
    drive.cancel("first")
    assert drive.cancel("second").ended is None
    drive.end("0")
    assert drive.ended == Ended("cancelled", reason="first")


def test_cancel_while_losers_are_ending():
    drive = Drive(seq(fanout(step(given="$.item"), join="race", items="[1, 2, 3]"), step("next")))
    drive.ok("0[0]")
    drive.end("0[1]")
    assert drive.cancel().dropped == ()
    assert drive.end("0[2]").ended == Ended("cancelled", reason="enough")


def test_cancel_when_the_failure_of_a_join_waits_for_its_losers():
    drive = Drive(try_(fanout(step(given="$.item")), step("mend")), TWO)
    drive.fail("0/body[0]")
    drive.cancel()
    drive.end("0/body[1]")
    assert drive.ended == Ended("cancelled", reason="enough")


def test_cancel_reaches_every_depth():
    inner = fanout(step(given="$.inner"), items="$.item", bind="$.inner")
    drive = Drive(fanout(inner, select="$.out", max_concurrency=2), {"items": [[1, 2], [3], [4]]})
    drive.fail("0[0][0]")
    changes = drive.cancel()
    assert changes.dropped == ("0[1][0]",)
    drive.end("0[1][0]")
    drive.end("0[0][1]")
    assert drive.ended is not None
