"""Every command acts with the token that it is given, and with the right one of several."""

from __future__ import annotations

import json

import pytest

from skep.cli.bearer import MAX_TOKENS

APPROVE = """
id: approve
flow:
  - {ask: "'ship?'", approval: true, audience: [senior], out: $.ship}
"""


@pytest.fixture
def skep(skep):
    skep.write("approve.yaml", APPROVE)
    return skep


def tokens(skep, *words):
    """The secrets of what is minted, one a line."""
    return skep("token", "mint", *words, "--raw").stdout


@pytest.fixture
def run(skep):
    done = skep("run", "approve.yaml", "--json")
    assert done.returncode == 4
    return json.loads(done.stdout)["run_id"]


COMMANDS = [
    ["run", "approve.yaml"],
    ["resume", "RUN"],
    ["resume", "RUN", "--json"],
    ["ps"],
    ["show", "RUN"],
    ["events", "RUN"],
    ["tail", "RUN"],
    ["questions"],
    ["signal", "RUN", "go"],
    ["cancel", "RUN"],
    ["token", "mint", "--role", "observer"],
    ["token", "list"],
    ["token", "revoke", "12345678"],
    ["token", "rotate"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("how", ["file", "environment"])
def test_a_token_that_may_nothing_may_nothing(skep, run, words, how):
    token = tokens(skep, "--role", "operator", "--scope", "run:none", "--scope", "verb:set_resource")
    words = [run if word == "RUN" else word for word in words]
    held = ["--token-file", skep.write("token", token)] if how == "file" else []
    done = skep(*words, *held, **({} if held else {"SKEP_TOKEN": token}))
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stderr.startswith(("skep: E-SCOPE ", "skep: E-ROLE "))
    assert [row["status"] for row in skep.json("ps")["runs"]] == ["suspended"]


def test_who_starts_a_run_with_one_token_does_not_approve_it_with_another(skep):
    operator, _, senior = tokens(skep, "--profile", "owner", "--principal", "alice").split()
    assert skep("run", "approve.yaml", SKEP_TOKEN=operator).returncode == 4
    [question] = skep.json("questions")["questions"]
    refused = skep("answer", question["key"], "true", SKEP_TOKEN=senior)
    assert (refused.returncode, "E-MAY-NOT-ANSWER" in refused.stderr) == (2, True)


def test_a_profile_is_used_as_it_is_minted(skep, run):
    words = ("--token-file", skep.write("token", tokens(skep, "--profile", "owner", "--principal", "ada")))
    assert skep("show", run, *words).stdout.count("suspended") >= 1
    assert "question_asked" in skep("events", run, *words).stdout
    [question] = json.loads(skep("questions", "--json", *words).stdout)["questions"]
    assert skep("answer", question["key"], "true", *words).returncode == 0
    assert skep("resume", run, *words).returncode == 0
    assert skep("token", "list", *words).returncode == 0


def test_what_no_token_of_several_allows_is_refused(skep, run):
    held = tokens(skep, "--profile", "runner")
    refused = skep("answer", "R-1", "true", SKEP_TOKEN=held)
    assert (refused.returncode, "E-ROLE" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "code"),
    [("a b", "E-BAD-SIGNATURE"), ("a " * (MAX_TOKENS + 1), "E-CONFIG")],
    ids=["none", "many"],
)
def test_what_are_no_tokens_is_one_clear_error(skep, text, code):
    refused = skep("ps", SKEP_TOKEN=text)
    assert (refused.returncode, refused.stderr.count("\n"), code in refused.stderr) == (2, 1, True)


def test_one_of_several_is_to_be_named_for_attenuation(skep):
    refused = skep("token", "attenuate", SKEP_TOKEN=tokens(skep, "--profile", "runner"))
    assert (refused.returncode, "several tokens" in refused.stderr) == (2, True)
