"""What the bundled strategies share: how prompts are put together and answers are read."""

from __future__ import annotations

import pytest

from skep.strategy import Completed, Query, StrategyHost
from skep.testing.aio import run


def evaluated(expression, **ctx):
    async def none(_query: Query) -> str:
        return "an answer"

    async def go():
        async with StrategyHost() as host:
            code = f"local K = require('skep_kit') return {expression}"
            return await host.run(code, ctx, answer=none)

    end = run(go())
    assert isinstance(end, Completed), end
    return end.result


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Answer: 7", "7"),
        ("so\n**Answer:** 7", "7"),
        ("so\n**Answer: 7**", "7"),
        ("## answer : 7", "7"),
        ("Answer: 6\nno,\nAnswer: `7`", "7"),
        ("Answer:\n7\n8", "7\n8"),
        ("Answer: **7** apples", "**7** apples"),
        ("The answer is 7", None),
        ("I answer: 7", None),
        ("Answer:", None),
        ("", None),
    ],
)
def test_what_stands_after_a_label(text, found):
    assert evaluated("K.marked(ctx.text, 'Answer')", text=text) == found


def test_a_section_ends_where_the_next_begins():
    text = "Context: a\n\nb\n**Question:** c\nd"
    assert evaluated("K.marked(ctx.text, 'Context', 'Question')", text=text) == "a\n\nb"
    assert evaluated("K.marked(ctx.text, 'Question')", text=text) == "c\nd"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("1. a\n2) b\r\n 3: **c**", ["a", "b", "c"]),
        ("Here:\n**1.** a\n   - part of a\n2. b", ["a", "b"]),
        ("- a\n* b", ["a", "b"]),
        ("1. a\n2. b\n3. c\n4. d", ["a", "b", "c"]),
        ("1.5 is a number\nno list", {}),
        ("1. \n", {}),
    ],
)
def test_the_items_of_a_list(text, items):
    assert evaluated("K.items(ctx.text, 3)", text=text) == items


@pytest.mark.parametrize(
    ("text", "choice"),
    [("2", 2), ("Response 3.", 3), ("0", None), ("4", None), ("x", None), ("9" * 30, None)],
)
def test_a_choice_is_one_of_those_there_are(text, choice):
    assert evaluated("K.choice(ctx.text, 3)", text=text) == choice


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Verdict: TRUE.", "true"),
        ("Verdict: **false**", "false"),
        ("Verdict: not true", None),
        ("Verdict: trueish", None),
        ("true", None),
    ],
)
def test_a_verdict_is_one_of_the_words(text, word):
    assert evaluated("K.word(ctx.text, 'Verdict', {'true', 'false'})", text=text) == word


def test_answers_are_compared_by_what_they_say():
    assert evaluated("{K.majority({'No', ' **4  apples.** ', '4 Apples', 'no!', '4 apples'})}") == [
        " **4  apples.** ",
        3,
    ]
    assert evaluated("{0, select(2, K.majority({}))}") == [0, 0]
    assert evaluated("K.distinct({'a', 'A.', 'b', 'a'})") == ["a", "b"]


def test_paragraphs_leave_out_what_is_not_there():
    assert evaluated("K.paragraphs('a', nil, '', 'b')") == "a\n\nb"


def test_what_the_caller_says_counts_more():
    assert evaluated("K.options({a = 1}, {a = 2, b = 3})") == {"a": 1, "b": 3}


def test_what_cannot_be_read_is_asked_for_once_more():
    code = "{K.ask('p', {}, function(said) n = (n or 0) + 1 return n == 2 and said or nil end, 'form')}"
    assert evaluated(code) == ["an answer", "an answer"]
    assert evaluated("K.list('p', {}, 3) == nil and 'none'") == "none"


@pytest.mark.parametrize(
    ("budget", "calls", "affords"),
    [
        (None, 1000, True),
        ({"max_llm_calls": 2}, 2, True),
        ({"max_llm_calls": 2}, 3, False),
        ({"max_tokens": 0}, 1, False),
        ({"max_tokens": 100}, 1, True),
    ],
)
def test_what_the_budget_affords(budget, calls, affords):
    assert evaluated("K.affords(ctx.calls)", budget=budget, calls=calls) is affords
