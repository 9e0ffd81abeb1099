"""triad, panel, debate: several who speak with each other."""

from __future__ import annotations

from bundled_strategies import drive


def test_triad_lets_both_argue_before_the_judge():
    driven = drive(
        "triad", ["yes", "no", "s1", "s2", "s3", "s4", "B showed it.\nWinner: B"], task="Is it so?"
    )
    result = driven.result
    assert (result["answer"], result["winner"], result["answers"]) == ("no", "B", ["yes", "no"])
    assert [one["speaker"] for one in result["statements"]] == ["A", "B", "A", "B"]
    assert "A says:\ns1\n\nB says:\ns2" in driven.prompts[4]
    assert driven.prompts[5].index("s3") > 0
    assert "You are B." in driven.prompts[5]
    assert driven.pauses == 6


def test_triad_needs_no_judge_when_both_say_the_same():
    driven = drive("triad", ["Yes.", "yes"], task="Is it so?")
    assert (driven.result["winner"], driven.result["answer"], len(driven.asked)) == ("both", "Yes.", 2)
    assert driven.result["statements"] == []


def test_triad_asks_the_judge_once_more_and_then_gives_up():
    turns = ["yes", "no", "s1", "s2", "Hard to say.", "Winner: a"]
    assert drive("triad", turns, task="?", rounds=1).result["winner"] == "A"
    turns[-1] = "Winner: none"
    assert (
        drive("triad", turns, task="?", rounds=1).error == "triad: the judge named no winner in two replies"
    )


def test_panel_combines_what_its_experts_say():
    driven = drive(
        "panel",
        ["1. Cook: food\n2. Doctor: health", "eat", "fast", "1. ...\nAnswer: Eat less.\nNot nothing."],
        task="What to eat?",
        n=2,
    )
    assert driven.result["answer"] == "Eat less.\nNot nothing."
    assert driven.result["experts"] == [
        {"expert": "Cook: food", "answer": "eat"},
        {"expert": "Doctor: health", "answer": "fast"},
    ]
    assert [query.system for query in driven.asked[1:3]] == [
        "You are an expert. Cook: food",
        "You are an expert. Doctor: health",
    ]
    assert "Expert 2:\nDoctor: health\nfast" in driven.prompts[3]
    assert driven.pauses == 3


def test_panel_asks_the_experts_that_are_given():
    driven = drive("panel", ["eat", "all in all: eat"], task="?", experts=["a cook"])
    assert driven.result["answer"] == "all in all: eat"
    assert driven.asked[0].system == "You are an expert. a cook"


def test_panel_without_experts_says_so():
    assert (
        drive("panel", ["none", "none"], task="?").error == "panel: no experts could be read in two replies"
    )


def test_debate_ends_when_all_agree():
    driven = drive(
        "debate", ["Answer: 1", "so\nAnswer: 2", "Answer: 2"] + ["Answer: 2"] * 3, task="?", rounds=5
    )
    assert driven.result == {
        "answer": "2",
        "votes": 3,
        "answers": ["2", "2", "2"],
        "rounds": 1,
        "unreadable": 0,
        "stopped": "agreed",
    }
    assert driven.pauses == 2
    second = driven.prompts[4]
    assert "Your last answer:\nso\nAnswer: 2" in second
    assert "Another agent's answer 1:\nAnswer: 1" in second
    assert second.count("Another agent's answer") == 2


def test_debate_ends_with_the_majority():
    driven = drive("debate", {"agent's": "Answer: b", ".": "Answer: a"}, task="?", agents=2, rounds=0)
    assert (driven.result["answer"], driven.result["stopped"], driven.result["rounds"]) == ("a", "agreed", 0)
    turns = ["Answer: a", "Answer: b", "Answer: b"] * 3
    driven = drive("debate", turns, task="?")
    assert (driven.result["answer"], driven.result["votes"]) == ("b", 2)
    assert (driven.result["stopped"], driven.result["rounds"]) == ("rounds", 2)


def test_debate_does_not_agree_with_an_agent_that_cannot_be_read():
    result = drive("debate", ["Answer: a", "Answer: a", "who knows"], task="?", rounds=0).result
    assert (result["answer"], result["unreadable"], result["stopped"]) == ("a", 1, "rounds")
    assert "none of the agents" in drive("debate", ["x"] * 3, task="?", rounds=0).error


def test_debate_stops_when_a_round_is_too_dear():
    driven = drive("debate", ["Answer: a", "Answer: b", "Answer: b"], task="?", calls=5)
    assert (driven.result["stopped"], driven.result["answer"], len(driven.asked)) == ("budget", "b", 3)
