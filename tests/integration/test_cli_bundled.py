"""Strategies that come with skep, by name from the command line."""

from __future__ import annotations

import json


def test_a_bundled_strategy_is_answered_by_a_file(skep):
    (skep.folder / "answers.yaml").write_text('- "Answer: 42"\n- "Answer: 41"\n- "Answer: 42."\n')
    words = ["--task", "6 * 7?", "--ctx", '{"paths": 3}', "--answer", "answers.yaml"]
    found = skep.json("strategy", "run", "sc", *words)
    assert found["status"] == "done"
    assert (found["result"]["result"]["answer"], found["result"]["result"]["votes"]) == ("42", 2)


def test_a_bundled_strategy_goes_on_where_it_waited(skep):
    (skep.folder / "answers.json").write_text(
        json.dumps({"which more general": "Why?", "^Why": "Because.", ".": "So."})
    )
    waiting = json.loads(skep("strategy", "run", "step_back", "--task", "t", "--json").stdout)
    [question] = skep.json("questions")["questions"]
    assert skep("answer", question["key"], "Why?").returncode == 0
    found = skep.json("strategy", "resume", waiting["run_id"], "--answer", "answers.json")
    assert found["result"]["result"] == {"answer": "So.", "question": "Why?", "principles": "Because."}


def test_a_bad_option_is_named(skep):
    failed = skep("strategy", "run", "sc", "--task", "t", "--ctx", '{"paths": 0}')
    assert failed.returncode == 1
    assert "sc: ctx.paths must be a whole number from 1 to 100" in failed.stderr
