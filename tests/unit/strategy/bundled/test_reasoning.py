"""cot, plan_solve, step_back, s2a, least_to_most, decompose, sot, tot."""

from __future__ import annotations

import pytest

from bundled_strategies import drive

EXAMPLE = {"question": "1 + 1?", "reasoning": "One and one.", "answer": "2"}


def test_cot_reasons_and_then_reads_off_the_answer():
    driven = drive("cot", ["3 twos are 6.", " 6\n"], task="3 * 2?")
    assert driven.result == {"answer": "6", "reasoning": "3 twos are 6."}
    assert "step by step" in driven.prompts[0]
    assert "3 twos are 6." in driven.prompts[1]


def test_cot_with_examples_needs_one_question():
    driven = drive("cot", ["Twos.\nAnswer: 6"], task="3 * 2?", examples=[EXAMPLE])
    assert driven.result["answer"] == "6"
    assert "Reasoning: One and one.\nAnswer: 2" in driven.prompts[0]
    assert len(driven.asked) == 1


def test_cot_with_examples_asks_for_an_answer_that_is_not_marked():
    assert drive("cot", ["It is six.", "6"], task="3 * 2?", examples=[EXAMPLE]).result["answer"] == "6"


@pytest.mark.parametrize(("detailed", "said"), [(True, True), (False, False)])
def test_plan_solve_plans_first(detailed, said):
    driven = drive("plan_solve", ["Plan: ... 6", "6"], task="3 * 2?", detailed=detailed)
    assert driven.result == {"answer": "6", "solution": "Plan: ... 6"}
    assert ("given quantities" in driven.prompts[0]) is said


def test_step_back_reasons_from_the_principle():
    driven = drive(
        "step_back",
        ["What is the gas law?", "PV = nRT", "It doubles."],
        task="V halves: what of P?",
        grounded=True,
    )
    assert driven.result == {
        "answer": "It doubles.",
        "question": "What is the gas law?",
        "principles": "PV = nRT",
    }
    assert driven.prompts[1] == "What is the gas law?"
    assert [query.grounded for query in driven.asked] == [False, True, False]
    assert "PV = nRT" in driven.prompts[2]


def test_s2a_answers_without_what_was_left_out():
    kept = "Context: Mary has 3 apples.\n\nQuestion: How many apples has Mary?"
    driven = drive(
        "s2a", [kept, "3"], task="How many? I think 9.", text="Mary has 3 apples. Max likes pears."
    )
    assert driven.result == {
        "answer": "3",
        "context": "Mary has 3 apples.",
        "question": "How many apples has Mary?",
    }
    assert "I think 9" in driven.prompts[0]
    assert driven.prompts[1] == "Mary has 3 apples.\n\nHow many apples has Mary?"


def test_s2a_takes_the_text_as_it_is_when_it_cannot_be_rewritten():
    driven = drive("s2a", ["?", "??", "3"], task="How many?", text="Mary has 3.")
    assert driven.result == {"answer": "3", "context": "Mary has 3.", "question": "How many?"}


def test_least_to_most_solves_in_order_and_the_problem_last():
    driven = drive("least_to_most", ["1. a?\n2. b?", "A", "B", "C"], task="whole?")
    assert driven.result["answer"] == "C"
    assert driven.result["steps"] == [
        {"question": "a?", "answer": "A"},
        {"question": "b?", "answer": "B"},
        {"question": "whole?", "answer": "C"},
    ]
    assert "Question: a?\nAnswer: A\n\nQuestion: b?\nAnswer: B" in driven.prompts[3]


def test_least_to_most_does_not_solve_the_problem_twice():
    assert len(drive("least_to_most", ["1. a?\n2. Whole?", "A", "C"], task="whole?").result["steps"]) == 2


def test_least_to_most_solves_at_once_what_cannot_be_split():
    driven = drive("least_to_most", ["none", "none", "C"], task="whole?")
    assert driven.result == {"answer": "C", "steps": [{"question": "whole?", "answer": "C"}]}


HANDLERS = [{"name": "split", "instructions": "Split it."}, {"name": "count", "instructions": "Count them."}]


def test_decompose_hands_each_part_to_its_handler():
    driven = drive(
        "decompose",
        ["Next: [split] 'a b'", "a, b", "Next: [Count] a, b", "2", "Next: done"],
        task="How many words has 'a b'?",
        handlers=HANDLERS,
    )
    assert driven.result == {
        "answer": "2",
        "stopped": "done",
        "steps": [
            {"handler": "split", "question": "'a b'", "answer": "a, b"},
            {"handler": "count", "question": "a, b", "answer": "2"},
        ],
    }
    assert driven.prompts[1] == "Split it.\n\n'a b'"
    assert "[split] 'a b'\n-> a, b" in driven.prompts[2]


def test_decompose_asks_again_for_a_handler_that_is_not_there():
    driven = drive("decompose", ["Next: [draw] x", "Next: [answer] x", "X", "Next: done"], task="x?")
    assert driven.result["answer"] == "X"


@pytest.mark.parametrize("said", ["Next: done", "Next: [draw] x", "no idea"])
def test_decompose_ends_with_an_error_when_it_is_not_told_what_is_next(said):
    driven = drive("decompose", [said, said], task="x?")
    assert driven.error == "decompose: the next sub-task could not be read in two replies"


def test_decompose_is_bounded():
    answers = {"Handlers:": "Next: [answer] more", ".": "A"}
    driven = drive("decompose", answers, task="x?", steps=3)
    assert (driven.result["stopped"], len(driven.result["steps"]), len(driven.asked)) == ("steps", 3, 6)


def test_decompose_stops_with_what_it_has_when_the_budget_ends():
    answers = {"Handlers:": "Next: [answer] more", ".": "A"}
    driven = drive("decompose", answers, task="x?", calls=5)
    assert (driven.result["stopped"], len(driven.result["steps"])) == ("budget", 2)


def test_sot_writes_all_points_side_by_side():
    driven = drive("sot", ["1. Heat\n2. Light", "It warms.", "It shines."], task="What does the sun do?")
    assert driven.result["answer"] == "1. Heat\nIt warms.\n2. Light\nIt shines."
    assert driven.result["points"][1] == {"point": "Light", "text": "It shines."}
    assert driven.pauses == 2
    assert "point 2, `Light`" in driven.prompts[2]


def test_sot_without_a_skeleton_says_so():
    assert drive("sot", ["x", "y"], task="x?").error == "sot: no skeleton could be read in two replies"


def thinking(good: str):
    """Proposes two thoughts for every state and holds those sure that end with `good`."""
    return {
        "Propose": "1. left\n2. right\n3. Left.",
        rf"\d\. {good}\n\nCan these": "Value: sure",
        "Can these": "Value: impossible",
        "Finish": "found",
    }


@pytest.mark.parametrize("good", ["left", "right"])
def test_tot_keeps_what_is_most_promising(good):
    driven = drive("tot", thinking(good), task="the way?", steps=2, breadth=1)
    assert driven.result == {
        "answer": "found",
        "thoughts": [good, good],
        "value": 20.0,
        "states": 4,
        "stopped": "steps",
    }
    assert driven.pauses == 5
    assert f"1. {good}\n2. {good}" in driven.prompts[-1]


def test_tot_does_not_keep_what_cannot_be_valued():
    answers = {"Propose": "1. a\n2. b", "1. a\n\nCan": "maybe", "Can": "Value: impossible", "Finish": "x"}
    assert drive("tot", answers, task="?", steps=1, breadth=1).result["thoughts"] == ["b"]


def test_tot_answers_from_where_it_stands_when_nothing_is_proposed():
    driven = drive("tot", ["nothing", "x"], task="?")
    assert (driven.result["answer"], driven.result["stopped"]) == ("x", "no thoughts")
    assert driven.result["thoughts"] == []


@pytest.mark.parametrize(("calls", "asked"), [(7, 4), (8, 7)])
def test_tot_leaves_a_call_of_its_budget_for_the_answer(calls, asked):
    driven = drive("tot", thinking("left"), task="?", steps=3, breadth=1, calls=calls)
    assert (driven.result["stopped"], driven.result["answer"], len(driven.asked)) == (
        "budget",
        "found",
        asked,
    )
