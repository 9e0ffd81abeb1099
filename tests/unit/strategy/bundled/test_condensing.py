"""distill, cod: less text that says the same."""

from __future__ import annotations

import re

import pytest

from bundled_strategies import drive


def test_distill_summarises_a_short_text_at_once():
    driven = drive("distill", [" short \n"], task="Who did it?", text="The butler did it.")
    assert driven.result == {"answer": "short", "chunks": 1, "levels": [1]}
    assert "Who did it?" in driven.prompts[0]
    assert "The butler did it." in driven.prompts[0]


def test_distill_takes_its_task_for_the_text():
    driven = drive("distill", ["short"], task="The butler did it.")
    assert "What is wanted" not in driven.prompts[0]


def test_distill_summarises_its_summaries():
    def answer(query):
        return "<" + re.search(r"text:\n\n(.)", query.prompt)[1] * 50 if "Part" in query.prompt else "all"

    text = "".join(letter * 200 for letter in "abcdefgh")
    driven = drive("distill", answer, task="what?", text=text, size=200, overlap=0)
    assert driven.result["levels"] == [8, 3, 1]
    assert driven.result["answer"] == "all"
    assert driven.pauses == 3
    assert "<" + "c" * 50 in driven.prompts[8]


def test_distill_stops_when_nothing_gets_shorter():
    driven = drive("distill", {".": "x" * 300}, task="x" * 600, size=200, overlap=0)
    assert "no shorter than the text" in driven.error


def test_distill_refuses_a_text_that_is_too_long_before_it_asks():
    driven = drive("distill", {}, task="x" * 200_001, size=200, overlap=0)
    assert "the text makes 1001 chunks" in driven.error
    assert driven.asked == []


def test_cod_adds_what_is_missing():
    driven = drive(
        "cod",
        ["Someone did it.", "Missing: butler\nSummary: The butler did it.", "**Missing:** None."],
        task="Summarise.",
        text="The butler did it on Monday.",
    )
    assert driven.result == {
        "answer": "The butler did it.",
        "stopped": "dense",
        "steps": [
            {"summary": "Someone did it.", "added": ""},
            {"summary": "The butler did it.", "added": "butler"},
        ],
    }
    assert "Summary:\nThe butler did it." in driven.prompts[2]


def test_cod_takes_as_many_steps_as_it_is_told():
    driven = drive("cod", ["s0"] + ["Missing: a\nSummary: s"] * 5, task="text", steps=3)
    assert (len(driven.asked), driven.result["stopped"]) == (3, "steps")


@pytest.mark.parametrize("said", ["I would change nothing", "Missing: a", "Summary: s"])
def test_cod_keeps_the_summary_before_one_that_cannot_be_read(said):
    result = drive("cod", ["s0", said, said], task="text").result
    assert (result["answer"], result["stopped"]) == ("s0", "unreadable")


def test_cod_keeps_its_summary_when_the_budget_ends():
    result = drive("cod", ["s0", "Missing: a\nSummary: s1"], task="text", calls=2).result
    assert (result["answer"], result["stopped"]) == ("s1", "budget")
