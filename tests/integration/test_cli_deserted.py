"""Work of a seat whose holder's process was killed, and work that a token's bearer cannot have yet."""

from __future__ import annotations

import pytest

from terminals import CTRL_C, PROMPT

ALONE = """
id: alone
agents: [{name: judge, kind: operator, spec: {operator_ref: red}}]
operators: [{name: red}]
flow:
  - {step: judge, in: $.text, out: $.verdict}
"""


@pytest.fixture
def skep(skep):
    skep.write("alone.yaml", ALONE)
    return skep


@pytest.fixture
def run(skep):
    """A suspended run with work for the seat red."""
    assert skep("run", "alone.yaml", "--input", "text=judge me").returncode == 4
    return skep.json("ps")["runs"][0]["run_id"]


def status(skep, run):
    return skep.json("show", run)["status"]


def seat_token(skep):
    words = ("token", "mint", "--profile", "seat:red", "--principal", "alice", "--raw")
    return skep.write("token", skep(*words).stdout)


def deliver(at):
    at.until(PROMPT)
    at.type("sound\n")
    at.until("delivered")
    at.until("no work for seat red")
    at.type(CTRL_C)
    assert at.end()[0] == 130


def test_what_a_killed_operator_held_is_had_by_the_next_one(skep, terminal, run):
    first = terminal("operator", "red")
    first.until(PROMPT)
    first.kill()
    deliver(terminal("operator", "red"))
    assert status(skep, run) == "done"


def test_an_operator_that_waits_already_gets_it_too(skep, terminal, run):
    first = terminal("operator", "red")
    first.until(PROMPT)
    second = terminal("operator", "red")
    second.until("is held by owner")
    second.until("no work for seat red")
    first.kill()
    deliver(second)
    assert status(skep, run) == "done"


def test_what_somebody_else_holds_is_taken_over_only_when_asked(skep, terminal, run):
    owner = skep.start("resume", run, "--wait")
    holder = terminal("operator", "red", "--token-file", seat_token(skep))
    holder.until(PROMPT)
    owner.kill()
    owner.wait()
    [key] = [one["key"] for one in skep.json("questions")["questions"]]
    refused = skep("answer", key, "5")
    assert refused.returncode == 2
    assert f"skep operator SEAT --takeover {key}" in refused.stderr
    patient = terminal("operator", "red")
    patient.until(f"{key} is held by alice (skep operator red --takeover {key})")
    patient.until("no work for seat red")
    taker = terminal("operator", "red", "--takeover", key)
    deliver(taker)
    assert status(skep, run) == "done"


def test_the_bearer_of_a_token_is_told_why_work_cannot_be_had(skep, terminal, run):
    at = terminal("operator", "red", "--token-file", seat_token(skep))
    told = at.until("no work for seat red")
    assert "no living process" in told
    assert f"skep resume {run}" in told
    owner = skep.start("resume", run, "--wait")
    deliver(at)
    out, _ = owner.communicate(timeout=30)
    assert (owner.returncode, "skep operator red" in out) == (0, True)


def test_an_item_of_another_seat_is_not_taken_over(skep, terminal, run):
    [key] = [one["key"] for one in skep.json("questions")["questions"]]
    code, shown = terminal("operator", "blue", "--takeover", key).end()
    assert code == 2
    assert "E-RESUME-KEY" in shown
