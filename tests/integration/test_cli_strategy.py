"""`skep strategy`: a strategy as a run, answered by a file, by others, and again after it was suspended."""

from __future__ import annotations

import json

import pytest

TWO = """
local a = alc.llm('first ' .. ctx.task)
local b = alc.llm('second ' .. a)
return {result = a .. ' ' .. b}
"""


@pytest.fixture
def two(skep):
    (skep.folder / "two.lua").write_text(TWO)
    (skep.folder / "answers.yaml").write_text("- one\n- two\n")
    (skep.folder / "by_prompt.json").write_text(json.dumps({"first": "1st", "second": "2nd"}))
    return skep


@pytest.mark.parametrize(("answers", "result"), [("answers.yaml", "one two"), ("by_prompt.json", "1st 2nd")])
def test_a_file_answers(two, answers, result):
    found = two.json("strategy", "run", "two.lua", "--task", "t", "--answer", answers)
    assert found["status"] == "done"
    assert found["result"] == {"task": "t", "result": result}


def test_at_a_pipe_it_is_suspended_and_goes_on_with_what_was_answered(two):
    done = two("strategy", "run", "two.lua", "--ctx", '{"task": "t"}', "--json")
    assert done.returncode == 4
    run_id = json.loads(done.stdout)["run_id"]
    [question] = two.json("questions")["questions"]
    assert question["question"]["prompt"] == "first t"
    assert two("answer", question["key"], "said").returncode == 0
    found = two.json("strategy", "resume", run_id, "--answer", "by_prompt.json")
    assert found["result"]["result"] == "said 2nd"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["two.lua", "--ctx", "[]"], "ctx is a JSON object"),
        (["two.lua", "--budget", "money=1"], "'money=1' is no limit"),
        (["two.lua", "--answer", "none.yaml"], "none.yaml"),
        (["none.lua"], "cannot read the strategy"),
        (["../x"], "E-FIELD-FORM"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(two, words, said):
    done = two("strategy", "run", *words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line
