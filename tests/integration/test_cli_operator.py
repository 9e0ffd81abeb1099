"""`skep operator`: the work of a seat, taken at a terminal while another process owns the run."""

from __future__ import annotations

import json

import pytest

from terminals import CTRL_C, CTRL_D, PROMPT

WORK = """
id: work
agents:
  - {name: judge, kind: operator, spec: {operator_ref: red}}
  - {name: other, kind: python, spec: {callable: "workers:until_go"}}
operators: [{name: red}]
flow:
  - parallel:
      branches:
        judge: {step: judge, in: $.text, out: $.verdict}
        other: {step: other, in: {n: 1}, out: $.other}
      select: $
      out: $.both
"""
ALONE = """
id: alone
agents: [{name: judge, kind: operator, spec: {operator_ref: red}}]
operators: [{name: red}]
flow:
  - {step: judge, in: $.text, out: $.verdict}
  - {step: judge, in: $.verdict, out: $.verdict}
"""


@pytest.fixture
def skep(skep):
    skep.write("work.yaml", WORK)
    skep.write("alone.yaml", ALONE)
    return skep


@pytest.fixture
def owner(skep):
    """A run with work for the seat red, owned by another process, which is busy until there is a file `go`."""
    child = skep.start("run", "work.yaml", "--input", "text=judge me", "--json")
    skep.wait_for("hanging")
    return child


def ended(skep, owner):
    (skep.folder / "go").touch()
    out, _ = owner.communicate(timeout=30)
    return owner.returncode, json.loads(out)


def test_it_shows_the_prompt_and_delivers_what_is_typed(skep, owner, terminal):
    at = terminal("operator", "red")
    assert "judge me" in at.until(PROMPT)
    at.type("\n")
    at.until(PROMPT)
    at.type("@nowhere\n")
    assert "refused: " in at.until(PROMPT)
    at.type('{"pass": true}\n')
    at.until("delivered")
    code, found = ended(skep, owner)
    assert (code, found["result"]["both"]["judge"]["verdict"]) == (0, {"pass": True})
    at.until("no work for seat red")
    at.type(CTRL_C)
    assert at.end()[0] == 130


def test_work_that_cannot_be_done_is_blocked(skep, owner, terminal):
    at = terminal("operator", "red")
    at.until(PROMPT)
    at.type(":block no such thing\n")
    at.until("delivered")
    code, found = ended(skep, owner)
    assert (code, found["status"]) == (1, "failed")
    at.type(CTRL_C)
    assert at.end()[0] == 130


@pytest.mark.parametrize(("key", "code"), [(CTRL_D, 0), (CTRL_C, 130)])
def test_who_leaves_gives_the_work_back(skep, owner, terminal, key, code):
    at = terminal("operator", "red")
    at.until(PROMPT)
    at.type(key)
    left, rest = at.end()
    assert left == code
    assert "is given back" in rest
    other = terminal("operator", "red")
    other.until(PROMPT)
    other.type("done by another\n")
    other.until("delivered")
    assert ended(skep, owner)[1]["result"]["both"]["judge"]["verdict"] == "done by another"


def test_work_that_has_ended_is_asked_for_no_longer(skep, owner, terminal):
    at = terminal("operator", "red")
    at.until(PROMPT)
    [run] = [row["run_id"] for row in skep.json("ps")["runs"]]
    skep("cancel", run)
    assert "no longer yours" in at.until("no work for seat red")
    assert ended(skep, owner)[0] == 130


def test_a_run_that_nobody_works_on_goes_on_where_its_work_is_done(skep, terminal):
    done = skep("run", "alone.yaml", "--input", "text=judge me")
    assert done.returncode == 4
    assert "  skep operator red" in done.stdout.splitlines()
    at = terminal("operator", "red")
    assert "goes on here" in at.until(PROMPT)
    at.type("once\n")
    assert "  once" in at.until(PROMPT)
    at.type("twice\n")
    at.until("no work for seat red")
    assert skep.json("ps")["runs"][0]["status"] == "done"
    at.type(CTRL_C)
    assert at.end()[0] == 130


def test_it_wants_a_terminal(skep):
    done = skep("operator", "red")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "terminal" in done.stderr


def test_a_token_for_another_seat_gets_no_work(skep, owner, terminal):
    token = skep("token", "mint", "--role", "operator", "--scope", "seat:blue", "--raw").stdout
    skep.write("token", token)
    at = terminal("operator", "red", "--token-file", "token")
    at.until("no work for seat red")
    at.type(CTRL_C)
    assert at.end()[0] == 130
    owner.terminate()
    assert ended(skep, owner)[0] == 130
