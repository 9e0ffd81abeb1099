"""cove, factscore, reflect, reflexion: answers that are checked."""

from __future__ import annotations

import pytest

from bundled_strategies import drive


def test_cove_corrects_what_the_checks_contradict():
    answers = {
        "questions that check": "1. When was X born?\n2. Where was X born?",
        "^When": "In 1900.",
        "^Where": "In Rome.",
        "Checked since": "X was born in Rome in 1900.",
        "Who": "X was born in Paris in 1900.",
    }
    driven = drive("cove", answers, task="Who is X?")
    assert driven.result == {
        "answer": "X was born in Rome in 1900.",
        "draft": "X was born in Paris in 1900.",
        "verified": True,
        "checks": [
            {"question": "When was X born?", "answer": "In 1900."},
            {"question": "Where was X born?", "answer": "In Rome."},
        ],
    }
    assert "Question: Where was X born?\nAnswer: In Rome." in driven.prompts[-1]
    assert driven.pauses == 4


def test_cove_answers_each_question_without_the_draft():
    driven = drive("cove", ["1. q1?\n2. q2?", "A", "B", "end"], task="t", draft="my draft", grounded=True)
    assert driven.prompts[1:3] == ["q1?", "q2?"]
    assert [query.grounded for query in driven.asked] == [False, True, True, False]
    assert driven.result["draft"] == "my draft"


def test_cove_asks_no_more_questions_than_it_may():
    listed = "\n".join(f"{n}. q{n}?" for n in range(1, 9))
    assert len(drive("cove", ["d", listed, "A", "B", "end"], task="t", questions=2).result["checks"]) == 2


def test_cove_says_that_a_draft_is_not_verified():
    result = drive("cove", ["draft", "none", "none"], task="t").result
    assert result == {"answer": "draft", "draft": "draft", "verified": False, "checks": []}


TEXT = "X was born in Rome. He lived 3.5 years there! Then he left."


def test_factscore_is_the_share_of_supported_facts():
    answers = {
        "Break.*\n\nX was": "1. X was born.\n2. X was born in Rome.",
        "Break.*\n\nHe lived": "1. X lived in Rome for 3.5 years.",
        "Break.*\n\nThen": "1. X left Rome.",
        "years": "Verdict: false",
        "left": "hard to say",
        "Statement": "Verdict: true",
    }
    driven = drive("factscore", answers, task="X", text=TEXT)
    result = driven.result
    assert (result["answer"], result["supported"], result["total"], result["unreadable"]) == (TEXT, 2, 4, 1)
    assert result["score"] == 0.5
    assert [fact["supported"] for fact in result["facts"]] == [True, True, False, False]
    assert driven.pauses == 2
    assert [query.grounded for query in driven.asked] == [False] * 3 + [True] * 4
    assert driven.end.stats["custom"] == {"factscore.score": 0.5}


def test_factscore_checks_against_given_knowledge():
    driven = drive("factscore", ["1. f", "Verdict: true"], task="X", text="F.", knowledge="All about F.")
    assert driven.result["score"] == 1.0
    assert "All about F." in driven.prompts[1]
    assert not driven.asked[1].grounded


def test_factscore_writes_the_text_itself():
    assert drive("factscore", ["F.", "1. f", "Verdict: false"], task="Who is X?").result["answer"] == "F."


@pytest.mark.parametrize("answers", [["?!"], ["I do not know.", "It states none."]])
def test_factscore_has_no_score_for_a_text_without_facts(answers):
    result = drive("factscore", answers, task="Who is X?").result
    assert "score" not in result
    assert (result["total"], result["facts"]) == (0, [])


def test_factscore_drops_what_is_too_much_and_says_how_much():
    answers = {"Break": "1. a\n2. b\n3. c", ".": "Verdict: true"}
    result = drive("factscore", answers, task="X", text="One. Two.", facts=4).result
    assert (result["total"], result["dropped"]) == (4, 2)


def test_factscore_breaks_down_no_more_sentences_than_facts():
    answers = {"Break": "1. a", ".": "Verdict: true"}
    driven = drive("factscore", answers, task="X", text="One. Two. Three. Four.", facts=3)
    assert (driven.result["total"], driven.result["dropped"], len(driven.asked)) == (3, 1, 6)


def test_factscore_may_punish_few_facts():
    answers = {"Break": "1. a\n2. b", ".": "Verdict: true"}
    result = drive("factscore", answers, task="X", text="One.", gamma=4).result
    assert result["score"] == pytest.approx(2.718281828**-1)


def test_reflect_refines_until_there_is_nothing_to_say():
    driven = drive(
        "reflect", ["first", "Too short.\nVerdict: refine", "second", "Fine.\nVerdict: good"], task="t"
    )
    assert driven.result == {
        "answer": "second",
        "rounds": 1,
        "stopped": "good",
        "history": [{"answer": "first", "feedback": "Too short.\nVerdict: refine"}],
    }


def test_reflect_refines_with_all_that_was_said():
    driven = drive("reflect", ["a", "f1", "b", "f2", "c"], task="t", rounds=2)
    assert (driven.result["answer"], driven.result["stopped"]) == ("c", "rounds")
    for said in ("a", "f1", "b", "f2"):
        assert f"\n{said}" in driven.prompts[4]


@pytest.mark.parametrize(("calls", "answer"), [(1, "a"), (2, "a"), (3, "b"), (5, "c")])
def test_reflect_keeps_its_answer_when_the_budget_ends(calls, answer):
    result = drive("reflect", ["a", "f", "b", "f", "c", "f"], task="t", calls=calls).result
    assert (result["answer"], result["stopped"]) == (answer, "budget")


def test_reflexion_tries_again_with_the_lessons():
    driven = drive(
        "reflexion",
        ["a", "Wrong.\nVerdict: fail", "Count better.", "b", "Right.\nVerdict: pass"],
        task="How many?",
        criteria="It is a number.",
    )
    result = driven.result
    assert (result["answer"], result["passed"], result["stopped"]) == ("b", True, "passed")
    assert result["trials"][0] == {
        "answer": "a",
        "verdict": "Wrong.\nVerdict: fail",
        "reflection": "Count better.",
    }
    assert driven.prompts[3] == "How many?\n\nLessons of failed attempts:\n1. Count better."
    assert "It is a number." in driven.prompts[1]


def test_reflexion_remembers_only_the_last_lessons():
    turns = [text for n in range(5) for text in (f"try {n}", "Verdict: fail", f"lesson {n}")]
    driven = drive("reflexion", turns, task="t", trials=5, memory=2)
    assert driven.prompts[12].endswith("1. lesson 2\n2. lesson 3")
    assert (driven.result["passed"], driven.result["stopped"], len(driven.asked)) == (False, "trials", 14)


@pytest.mark.parametrize("said", ["Very good!", "Verdict: no pass", "It must pass.\nVerdict: fail"])
def test_reflexion_takes_what_is_no_clear_pass_for_a_failure(said):
    result = drive("reflexion", ["a", said], task="t", trials=1).result
    assert (result["passed"], result["answer"]) == (False, "a")


def test_reflexion_does_not_begin_a_trial_that_it_cannot_end():
    driven = drive("reflexion", ["a", "Verdict: fail", "l", "b", "Verdict: pass"], task="t", calls=4)
    assert (driven.result["stopped"], driven.result["answer"], len(driven.asked)) == ("budget", "a", 2)
