from __future__ import annotations

import pytest

from machines import Drive, branch, fanout, loop, parallel, seq, step, switch, try_
from skep.errors import BlueprintError
from skep.flow import keys
from skep.flow.program import compile_flow


@pytest.mark.parametrize(
    ("flow", "key"),
    [
        (step(), "0"),
        (step(node_id="only"), "only"),
        (seq(step()), "0"),
        (seq(seq(), seq(step())), "1/0"),
        (seq(step(node_id="first"), node_id="ignored"), "first"),
        (branch("true", step(node_id="ignored")), "0/then"),
        (branch("false", seq(), step()), "0/else"),
        (branch("true", seq(step())), "0/then/0"),
        (switch("1", [(2, seq()), (1, step())]), "0/case1"),
        (switch("1", [], step()), "0/default"),
        (loop(step(), 3, node_id="review"), "review[0]"),
        (loop(seq(seq(), step(node_id="work")), 3), "0[0]/work"),
        (loop(loop(step(), 2, counter="$.m"), 2), "0[0][0]"),
        (seq(fanout(seq(step()), items="[1]", node_id="lanes")), "lanes[0]/0"),
        (parallel({"style": step()}), "0/style"),
        (try_(step()), "0/body"),
        (try_(branch("1", seq()), step()), "0/catch"),
        (try_(try_(branch("1", seq()), step(node_id="ignored"))), "0/body/catch"),
    ],
)
def test_each_node_names_what_it_holds(flow, key):
    assert Drive(flow).keys == [key]


def test_turns_and_lanes_of_equal_input_have_keys_of_their_own():
    drive = Drive(loop(fanout(step(given="'same'"), items="[1, 1]", node_id=None), 2, node_id="again"))
    assert drive.keys == ["again[0][0]", "again[0][1]"]
    first = {want.digest for want in drive.machine.wanted()}
    drive.ok("again[0][0]")
    drive.ok("again[0][1]")
    assert drive.keys == ["again[1][0]", "again[1][1]"]
    assert {want.digest for want in drive.machine.wanted()} == first


@pytest.mark.parametrize("name", ["a", "_", "Stil-prüfung.2", "x" * 64])
def test_names_that_a_key_can_carry(name):
    assert keys.is_name(name)
    compile_flow(seq(step(node_id=name)))


@pytest.mark.parametrize("name", ["", "0", "1a", "a/b", "a[0]", "a b", "-a", "a\n", "x" * 65])
def test_a_name_that_could_be_taken_for_something_else_is_refused(name):
    assert not keys.is_name(name)
    with pytest.raises(BlueprintError, match="cannot stand in a step key"):
        compile_flow(seq(step(node_id=name)))
    with pytest.raises(BlueprintError, match="cannot stand in a step key"):
        compile_flow(parallel({name: step()}))


def test_siblings_may_not_share_an_id():
    with pytest.raises(BlueprintError, match="id 'same'"):
        compile_flow(seq(step(node_id="same"), step(), step(node_id="same")))
    compile_flow(seq(seq(step(node_id="same")), seq(step(node_id="same"))))
