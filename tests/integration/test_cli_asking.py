"""`skep run` asks the person at the terminal; each word is typed when its prompt is there."""

from __future__ import annotations

import re
import signal

import pytest

from terminals import CTRL_C, CTRL_D, PROMPT

ASK = """
id: ship
flow:
  - {ask: "format('ship {}?', $.what)", audience: senior, schema: {type: boolean}, out: $.ship}
"""
LANES = """
id: lanes
flow:
  - fanout:
      items: $.names
      bind: $.name
      body: {ask: $.name, audience: [senior, "principal:alice"], out: $.answer}
      select: $.answer
      out: $.answers
"""
OTHERS = """
id: others
flow:
  - parallel:
      branches:
        mine: {ask: "'mine?'", audience: senior, out: $.mine}
        hers: {ask: "'hers?'", audience: "principal:alice", out: $.hers}
      out: $.both
"""
BESIDE_WORK = """
id: beside
agents: {a: workers:hang}
flow:
  - parallel:
      branches:
        ask: {ask: "'go on?'", audience: senior, out: $.ask}
        work: {step: a, in: {n: 1}, out: $.work}
      join: any
      out: $.first
"""
SLOW = """
id: slow
agents: {a: workers:until_go}
flow:
  - {step: a, in: {n: 1}, out: $.n}
  - {ask: "'ship?'", audience: senior, schema: {type: boolean}, out: $.ship}
"""


@pytest.fixture
def skep(skep):
    for name, text in {
        "ask": ASK,
        "lanes": LANES,
        "others": OTHERS,
        "beside": BESIDE_WORK,
        "slow": SLOW,
    }.items():
        skep.write(f"{name}.yaml", text)
    return skep


def test_it_shows_the_question_and_asks_again_when_the_answer_is_refused(skep, terminal):
    at = terminal("run", "ask.yaml", "--input", 'what="\\u001b[2Jit"')
    asked = at.until(PROMPT)
    assert "for senior" in asked
    assert "  ship \\x1b[2Jit?" in asked
    assert "true or false" in asked
    at.type("perhaps\n")
    assert 'refused: the answer: "perhaps" is not of type "boolean"' in at.until(PROMPT)
    at.type("\n")
    at.until(PROMPT)
    at.type("true\n")
    code, rest = at.end()
    assert code == 0
    assert "done" in rest
    assert skep.json("ps")["runs"][0]["status"] == "done"


def test_several_questions_are_asked_in_turn(skep, terminal):
    at = terminal("run", "lanes.yaml", "--input", 'names=["first", "second", "third"]')
    for number, name in enumerate(("first", "second", "third")):
        assert f"  {name}\r\n" in at.until(PROMPT)
        at.type(f"{number}\n")
    code, _ = at.end()
    run = skep.json("ps")["runs"][0]["run_id"]
    assert (code, skep.json("show", run)["result"]["answers"]) == (0, [0, 1, 2])


def test_a_dumb_terminal_asks_too(skep, terminal):
    at = terminal("run", "ask.yaml", "--input", "what=it", TERM="dumb")
    at.until(PROMPT)
    at.type("true\n")
    assert at.end()[0] == 0
    assert "\x1b" not in at.shown


def test_ctrl_d_leaves_the_questions_open_and_resume_asks_again(skep, terminal):
    at = terminal("run", "lanes.yaml", "--input", 'names=["a", "b"]')
    at.until(PROMPT)
    at.type("A\n")
    at.until(PROMPT)
    at.type(CTRL_D)
    code, rest = at.end()
    [question] = skep.json("questions")["questions"]
    assert (code, question["question"]) == (4, "b")
    assert f"skep answer {question['key']} VALUE" in rest
    again = terminal("resume", question["run_id"])
    assert "  b\r\n" in again.until(PROMPT)
    again.type("B\n")
    assert again.end()[0] == 0
    assert skep.json("show", question["run_id"])["result"]["answers"] == ["A", "B"]


def test_a_question_for_somebody_else_is_named_with_the_command(skep, terminal):
    at = terminal("run", "others.yaml")
    shown = at.until(PROMPT)
    keys = {one["question"]: one["key"] for one in skep.json("questions")["questions"]}
    assert f"{keys['hers?']} for alice: hers?" in shown
    assert f"skep answer {keys['hers?']} VALUE --token-file FILE" in shown
    assert "  mine?\r\n" in shown
    at.type("yes\n")
    code, rest = at.end()
    assert code == 4
    assert f"skep answer {keys['hers?']} VALUE" in rest


def test_a_question_that_somebody_else_answers_is_asked_no_longer(skep, terminal):
    at = terminal("run", "lanes.yaml", "--input", 'names=["a", "b"]')
    at.until(PROMPT)
    at.type("half an ans")
    first, second = (one["key"] for one in skep.json("questions")["questions"])
    assert skep.json("answer", first, "elsewhere")["acted"] is True
    assert f"{first} answered by owner" in at.until(PROMPT)
    assert skep.json("answer", second, "elsewhere, too")["acted"] is True
    code, rest = at.end()
    run = skep.json("ps")["runs"][0]["run_id"]
    assert (code, skep.json("show", run)["result"]["answers"]) == (0, ["elsewhere", "elsewhere, too"])
    assert "Traceback" not in rest


def test_it_asks_while_the_rest_of_the_run_goes_on(skep, terminal):
    at = terminal("run", "beside.yaml")
    at.until(PROMPT)
    skep.wait_for("hanging")
    at.type("yes\n")
    assert at.end()[0] == 0


def test_ctrl_c_at_the_prompt_cancels_the_run(skep, terminal):
    at = terminal("run", "ask.yaml", "--input", "what=it")
    at.until(PROMPT)
    at.type(CTRL_C)
    assert at.end()[0] == 130
    assert skep.json("ps")["runs"][0]["status"] == "cancelled"
    assert skep.json("questions") == {"questions": []}


def test_what_was_typed_before_the_question_is_no_answer_to_it(skep, terminal):
    at = terminal("run", "slow.yaml")
    skep.wait_for("hanging")
    at.type("true\n")
    at.until("true")
    (skep.folder / "go").touch()
    at.until(PROMPT)
    at.type("false\n")
    assert at.end()[0] == 0
    run = skep.json("ps")["runs"][0]["run_id"]
    assert skep.json("show", run)["result"]["ship"] is False


def test_a_machine_is_not_asked_though_there_is_a_terminal(skep, terminal):
    at = terminal("run", "ask.yaml", "--input", "what=it", "--json")
    code, rest = at.end()
    assert code == 4
    assert re.search(r'"status":"suspended"', rest)


def test_a_terminal_that_closes_while_it_is_asked_ends_the_run_as_a_signal_does(skep, terminal):
    at = terminal("run", "ask.yaml", "--input", "what=it")
    at.until(PROMPT)
    at.child.send_signal(signal.SIGHUP)
    assert at.end()[0] == 130
