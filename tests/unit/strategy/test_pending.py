from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import UnknownQuery
from skep.strategy.pending import Pending
from skep.strategy.queries import Answer, Query


def pending(number: int, pause: int = 2) -> Pending:
    return Pending([Query(id=f"q{pause}-{n}", prompt="p") for n in range(number)])


@given(st.permutations(range(4)))
def test_answers_come_back_in_the_order_of_issue(order):
    asked = pending(4)
    for left, n in zip((3, 2, 1, 0), order, strict=True):
        assert asked.put(asked.resolve(f"q2-{n}"), Answer(str(n))) == left
    assert [reply.text for reply in asked.replies] == ["0", "1", "2", "3"]
    assert asked.unanswered == ()


def test_the_published_ids_mean_this_pause():
    assert pending(3).resolve("q-1") == "q2-1"


@pytest.mark.parametrize("given_id", ["q1-0", "q-3", "q-", "q-99999999999", "", "x" * 5_000])
def test_what_was_not_asked_is_unknown(given_id):
    with pytest.raises(UnknownQuery, match="unknown query_id") as caught:
        pending(3).resolve(given_id)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("again", ["q2-0", "q-0"])
def test_a_second_answer_is_refused(again):
    asked = pending(2)
    asked.put(asked.resolve("q2-0"), Answer("x"))
    with pytest.raises(UnknownQuery, match="already responded"):
        asked.resolve(again)


def test_without_an_id_there_must_be_one_left():
    asked = pending(2)
    with pytest.raises(UnknownQuery, match="2 queries pending"):
        asked.resolve(None)
    asked.put("q2-1", Answer("x"))
    assert asked.resolve(None) == "q2-0"
    asked.put("q2-0", Answer("x"))
    with pytest.raises(UnknownQuery, match="no pending"):
        asked.resolve(None)
