from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep import values
from skep.errors import BadValue
from skep.strategy.answerers.base import query_json, read_query, read_reply, reply_json
from skep.strategy.queries import Answer, Error, Query, Usage

COUNTS = st.none() | st.integers(0, 2**53)
USAGES = st.none() | st.builds(Usage, prompt_tokens=COUNTS, completion_tokens=COUNTS)
TEXTS = st.text(st.characters(codec="utf-8"))
QUERIES = st.builds(
    Query,
    id=TEXTS,
    prompt=TEXTS,
    system=st.none() | TEXTS,
    max_tokens=st.integers(0, 2**32),
    grounded=st.booleans(),
    underspecified=st.booleans(),
    options=st.dictionaries(TEXTS, TEXTS | st.integers(0, 9)),
)
REPLIES = st.builds(Answer, TEXTS, USAGES) | st.builds(Error, TEXTS)


@given(REPLIES)
def test_a_reply_comes_back_from_json_as_it_was(reply):
    assert read_reply(values.decode(values.encode(reply_json(reply)))) == reply


@given(QUERIES)
def test_a_query_comes_back_from_json_as_it_was(query):
    assert read_query(values.decode(values.encode(query_json(query)))) == query


@pytest.mark.parametrize(
    "told", [None, "Why?", [], {}, {"prompt": "Why?"}, {"query_id": 1, "prompt": "Why?"}]
)
def test_another_question_is_no_query(told):
    assert read_query(told) is None


@pytest.mark.parametrize(
    ("typed", "text"), [("8", "8"), ("true", "true"), ("-0.5", "-0.5"), ('"8"', "8"), ('""', "")]
)
def test_what_a_person_types_is_text(typed, text):
    assert read_reply(values.decode_untrusted(typed)) == Answer(text)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"text": None},
        {"text": 5},
        {"text": "a", "error": "b"},
        {"error": "a", "usage": {}},
        {"text": "a", "more": 1},
        {"text": "a", "usage": {"prompt_tokens": -1}},
        {"usage": {}},
        {"score": 3},
    ],
)
def test_what_is_no_reply_is_refused_with_the_forms(value):
    with pytest.raises(BadValue, match=r'"error"') as caught:
        read_reply(value, where="q1-0")
    assert str(caught.value).startswith("q1-0: ")


def test_a_query_is_told_whole():
    query = Query(
        id="q1-0",
        prompt="Why?",
        system="Be brief.",
        max_tokens=9,
        grounded=True,
        underspecified=True,
        options={"temperature": 0},
    )
    assert query_json(query) == {
        "query_id": "q1-0",
        "prompt": "Why?",
        "system": "Be brief.",
        "max_tokens": 9,
        "grounded": True,
        "underspecified": True,
        "options": {"temperature": 0},
    }
