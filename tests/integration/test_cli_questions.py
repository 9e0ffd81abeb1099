"""Questions from the command line: behind a pipe, while another process owns the run, across crashes."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

ASK = """
id: ship
flow:
  - {ask: "format('ship {}?', $.what)", audience: senior, schema: {type: boolean}, out: $.ship}
"""
APPROVE = """
id: approve
flow:
  - {ask: "'really?'", audience: senior, approval: true, out: $.yes}
"""
THREE = """
id: three
flow:
  - fanout:
      items: $.names
      bind: $.name
      body: {ask: $.name, audience: senior, out: $.answer}
      select: $.answer
      out: $.answers
"""
BESIDE_WORK = """
id: beside
agents: {a: workers:hang}
flow:
  - parallel:
      branches:
        ask: {ask: "'go on?'", audience: senior, schema: {type: boolean}, out: $.ask}
        work: {step: a, in: {n: 1}, out: $.work}
      join: any
      out: $.first
"""
KILLED = """
id: killed
agents: {a: workers:hang_once}
flow:
  - parallel:
      branches:
        asks:
          fanout:
            items: $.names
            bind: $.name
            body: {ask: $.name, audience: senior, out: $.answer}
            select: $.answer
            out: $.asks
        work: {step: a, in: {n: 1}, out: $.work}
      out: $.both
"""
SIGNAL = """
id: signal
flow:
  - {wait: {signal: go, out: $.go}}
"""
LATER = """
id: later
flow:
  - {wait: {for: 0.3}}
  - {ask: "'now?'", audience: senior, out: $.now}
"""


@pytest.fixture
def skep(skep):
    texts = {
        "ask": ASK,
        "approve": APPROVE,
        "three": THREE,
        "beside": BESIDE_WORK,
        "signal": SIGNAL,
        "killed": KILLED,
        "later": LATER,
    }
    for name, text in texts.items():
        skep.write(f"{name}.yaml", text)
    return skep


def keys(skep, *words):
    """The open questions by what they ask."""
    return {one["question"]: one["key"] for one in skep.json("questions", *words)["questions"]}


def suspended(skep, *words):
    """Run a Blueprint until it is suspended; its id."""
    done = skep("run", *words, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["status"]) == (4, "suspended")
    assert done.stderr.splitlines()[-1] == f"then: skep resume {found['run_id']}"
    return found["run_id"]


def read_until(child, text):
    """Lines of a child's stdout up to the first that holds `text`."""
    for line in child.stdout:
        if text in line:
            return line
    raise AssertionError(f"{text!r} never came")


def test_a_pipe_ends_with_4_and_names_the_key_and_the_commands(skep):
    done = skep("run", "ask.yaml", "--input", "what=it")
    [key] = keys(skep).values()
    [run] = [row["run_id"] for row in skep.json("ps")["runs"]]
    assert done.returncode == 4
    assert f"{key} for senior: ship it?" in done.stdout
    assert f"  skep answer {key} VALUE" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == f"then: skep resume {run}"


def test_a_machine_gets_one_object_and_finds_the_keys_by_itself(skep):
    run = suspended(skep, "ask.yaml", "--input", "what=it")
    found = skep.json("questions")
    assert found == {
        "questions": [
            {
                "key": found["questions"][0]["key"],
                "run_id": run,
                "question": "ship it?",
                "audience": ["role:senior"],
                "deadline": None,
            }
        ]
    }
    told = skep("resume", run, "--json").stderr
    assert f"  skep answer {found['questions'][0]['key']} VALUE" in told.splitlines()
    assert skep.json("show", run)["status"] == skep.json("ps")["runs"][0]["status"] == "suspended"
    shown = skep("show", run).stdout
    assert f"skep answer {found['questions'][0]['key']} VALUE" in shown
    assert "suspended" in shown


def test_commands_that_are_named_name_the_store(skep):
    store = f"sqlite:///{skep.folder}/my runs.db"
    done = skep("run", "ask.yaml", "--input", "what=it", "--store", store)
    assert f"--store '{store}'" in done.stdout.splitlines()[-1]


def test_an_answer_is_kept_for_the_next_owner_and_resume_goes_on_with_it(skep):
    run = suspended(skep, "ask.yaml", "--input", "what=it")
    [key] = keys(skep).values()
    said = skep("answer", key, "true")
    assert said.returncode == 0
    assert said.stdout.startswith(f"kept: no process works on {run} now")
    again = skep("answer", key, "false")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "has an answer that waits" in again.stderr
    done = skep.json("resume", run)
    assert (done["status"], done["result"]["ship"]) == ("done", True)
    late = skep("answer", key, "false")
    assert late.returncode == 2


@pytest.mark.parametrize(
    ("value", "stdin", "why"),
    [
        ("perhaps", "", "E-ANSWER-SCHEMA"),
        ("@big.json", "", "E-LIMIT"),
        ("@nowhere.json", "", "E-CONFIG"),
        ("-", "x" * 2_000_000, "E-LIMIT"),
        ("@latin.txt", "", "not UTF-8"),
    ],
)
def test_a_refused_answer_ends_with_2_and_the_reason_and_leaves_the_question_open(skep, value, stdin, why):
    suspended(skep, "ask.yaml", "--input", "what=it")
    [key] = keys(skep).values()
    skep.write("big.json", json.dumps("x" * 2_000_000))
    (skep.folder / "latin.txt").write_bytes(b"\xe9")
    done = skep("answer", key, value, stdin=stdin)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert why in done.stderr
    assert keys(skep) == {"ship it?": key}
    refused = skep.json("answer", key, value, stdin=stdin)
    assert refused["error"]["code"].startswith("E-")


def test_an_unknown_key_is_told_with_the_remedy(skep):
    done = skep("answer", "R-nobody", "1")
    assert done.returncode == 2
    assert "skep questions" in done.stderr


def test_an_approval_is_not_for_who_started_the_run_but_for_the_bearer_of_a_token(skep):
    run = suspended(skep, "approve.yaml")
    [key] = keys(skep).values()
    done = skep("answer", key, "true")
    assert done.returncode == 2
    assert "started the run that wants this approval" in done.stderr
    token = skep("token", "mint", "--role", "senior", "--principal", "alice", "--raw").stdout
    skep.write("token", token)
    assert skep("answer", key, "true", "--token-file", "token").returncode == 0
    assert skep.json("resume", run)["result"]["yes"] is True
    assert '"by":"alice"' in skep("events", run, "--json").stdout


def test_a_token_in_the_environment_is_who_answers(skep):
    suspended(skep, "ask.yaml", "--input", "what=it")
    [key] = keys(skep).values()
    token = skep("token", "mint", "--role", "observer", "--principal", "bob", "--raw").stdout.strip()
    done = skep("answer", key, "true", SKEP_TOKEN=token)
    assert done.returncode == 2
    assert token not in done.stderr
    wrong = token[:-1]
    assert skep("questions", SKEP_TOKEN=wrong).returncode == 2


@pytest.mark.parametrize("content", [None, "", "\n", "é"])
def test_a_token_file_without_a_token_is_one_clear_error(skep, content):
    if content is not None:
        skep.write("token", content)
    done = skep("questions", "--token-file", "token")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--token-file token" in done.stderr


@pytest.mark.parametrize(
    ("value", "stdin", "answer"),
    [
        ("two words", "", "two words"),
        ('{"a": [1]}', "", {"a": [1]}),
        ("@answer.txt", "", "line"),
        ("-", "7\n", 7),
    ],
)
def test_an_answer_is_json_where_it_parses_else_text(skep, value, stdin, answer):
    skep.write("answer.txt", "line\n")
    run = suspended(skep, "three.yaml", "--input", 'names=["a"]')
    [key] = keys(skep).values()
    assert skep("answer", key, value, stdin=stdin).returncode == 0
    assert skep.json("resume", run)["result"]["answers"] == [answer]


def test_another_process_that_owns_the_run_acts_on_the_answer(skep):
    owner = skep.start("run", "beside.yaml", "--json", stdin=None)
    skep.wait_for("hanging")
    [key] = keys(skep).values()
    refused = skep("answer", key, "maybe")
    assert refused.returncode == 2
    assert "E-ANSWER-SCHEMA" in refused.stderr
    assert skep.json("answer", key, "true")["acted"] is True
    out, _ = owner.communicate(timeout=30)
    assert (owner.returncode, json.loads(out)["status"]) == (0, "done")
    twice = skep("answer", key, "true")
    assert twice.returncode == 2


def test_another_process_cancels_the_run(skep):
    owner = skep.start("run", "hang.yaml", "--input", "n=1", "--json")
    skep.wait_for("hanging")
    [run] = [row["run_id"] for row in skep.json("ps")["runs"]]
    assert skep("cancel", run[:8]).stdout == f"{run} is being cancelled\n"
    out, _ = owner.communicate(timeout=30)
    assert (owner.returncode, json.loads(out)["status"]) == (130, "cancelled")
    assert skep("cancel", run).returncode == 2


def test_a_suspended_run_is_cancelled_by_its_next_owner(skep):
    run = suspended(skep, "ask.yaml", "--input", "what=it")
    assert skep.json("cancel", run) == {"run_id": run, "acted": False}
    done = skep("resume", run)
    assert done.returncode == 130
    assert skep.json("questions") == {"questions": []}


def test_a_signal_goes_to_a_run_that_waits_for_it_and_not_to_one_that_has_ended(skep):
    done = skep("run", "signal.yaml")
    [run] = [row["run_id"] for row in skep.json("ps")["runs"]]
    assert done.returncode == 4
    assert f"skep signal {run} go" in done.stdout.splitlines()
    assert skep.json("signal", run, "go", '{"n": 1}') == {"run_id": run, "acted": False}
    assert skep.json("resume", run)["result"]["go"] == {"n": 1}
    assert skep("events", run).stdout.count("signal_received") == 1
    ended = skep("signal", run, "go")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "has ended" in ended.stderr
    assert skep("signal", run, "no such name!").returncode == 2


def test_a_run_that_waits_for_a_time_keeps_running(skep):
    done = skep("run", "later.yaml")
    assert done.returncode == 4
    assert "has waited" in done.stdout
    assert "now?" in done.stdout


def test_a_killed_run_with_three_questions_is_answered_from_outside_and_goes_on(skep):
    owner = skep.start("run", "killed.yaml", "--input", 'names=["a", "b", "c"]')
    skep.wait_for("hanging")
    owner.send_signal(signal.SIGKILL)
    owner.wait(timeout=30)
    asked = keys(skep)
    [run] = [row["run_id"] for row in skep.json("ps")["runs"]]
    assert sorted(asked) == ["a", "b", "c"]
    assert skep.json("answer", asked["b"], "B")["acted"] is False
    assert skep.json("answer", asked["a"], "A")["acted"] is False
    (skep.folder / "go").touch()
    again = skep("resume", run, "--json")
    assert (again.returncode, json.loads(again.stdout)["status"]) == (4, "suspended")
    assert keys(skep) == {"c": asked["c"]}
    assert skep("answer", asked["b"], "B2").returncode == 2
    skep("answer", asked["c"], "C")
    done = skep.json("resume", run)
    assert (done["status"], done["result"]["both"]["asks"]["asks"]) == ("done", ["A", "B", "C"])


def test_tail_follows_a_run_of_another_process_to_its_end(skep):
    owner = skep.start("run", "beside.yaml", "--json")
    skep.wait_for("hanging")
    [key] = keys(skep).values()
    [run] = [row["run_id"] for row in skep.json("ps")["runs"]]
    tail = skep.start("tail", run, bufsize=1)
    assert "for senior: go on?" in read_until(tail, key)
    skep("answer", key, "true")
    assert "answered by owner" in read_until(tail, key)
    assert tail.wait(timeout=30) == 0
    owner.communicate(timeout=30)
    events = [json.loads(line) for line in skep("tail", run, "--json").stdout.splitlines()]
    assert [event["kind"] for event in events][:: len(events) - 1] == ["run_started", "run_finished"]
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))


def test_tail_leaves_the_run_alone_when_it_is_left(skep):
    run = suspended(skep, "ask.yaml", "--input", "what=it")
    tail = skep.start("tail", run, "--json")
    read_until(tail, "question_asked")
    tail.send_signal(signal.SIGINT)
    out, err = tail.communicate(timeout=30)
    assert (tail.returncode, out, err) == (130, "", "skep: left; the run goes on\n")
    assert skep.json("show", run)["status"] == "suspended"


def test_tail_ends_when_its_reader_leaves(skep):
    run = suspended(skep, "ask.yaml", "--input", "what=it")
    read, write = os.pipe()
    os.close(read)
    child = skep.start("tail", run, stdout=write)
    os.close(write)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")


def test_a_person_sees_a_table_and_the_command(skep):
    assert skep("questions").stdout == "no open questions\n"
    one = suspended(skep, "ask.yaml", "--input", 'what="\\u001b[31mred"')
    two = suspended(skep, "approve.yaml")
    lines = skep("questions").stdout.splitlines()
    assert re.fullmatch(rf"R-\w+ +{one}  senior +-  ship \\x1b\[31mred\?", lines[1])
    assert two in lines[2]
    assert lines[-1] == "skep answer KEY VALUE"
    assert list(keys(skep, "--run", two)) == ["really?"]
    assert skep("questions", "--run", "run-none").returncode == 2


def test_the_name_of_a_signal_is_not_repeated_at_length(skep):
    run = suspended(skep, "signal.yaml")
    refused = skep("signal", run, "n" * 5_000)
    assert (refused.returncode, "E-VALUE signal: 'nnn" in refused.stderr) == (2, True)
    assert len(refused.stderr) < 300
