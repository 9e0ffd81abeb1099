from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.strategy.budget import Budget, Spent, read_budget

limits = st.none() | st.integers(min_value=0, max_value=10)


@pytest.mark.parametrize("written", [None, [], "x", {"budget": 3}, {"budget": {"max_llm_calls": -1}}])
@pytest.mark.parametrize("usable", [True, False])
def test_what_is_no_limit_is_none(written, usable):
    ours = Budget(max_tokens=5) if usable else None
    assert read_budget(written, ours) == ours


@pytest.mark.parametrize("limit", [2.0, "2", True, None, -1])
def test_only_whole_numbers_from_zero_count(limit):
    assert read_budget({"budget": {"max_llm_calls": limit}}) is None


@given(limits, limits)
def test_the_smaller_limit_wins(written, ours):
    read = read_budget({"budget": {"max_tokens": written}}, Budget(max_tokens=ours))
    known = [limit for limit in (written, ours) if limit is not None]
    assert (read.max_tokens if read else None) == (min(known) if known else None)


def test_refusals_come_in_the_published_order_and_words():
    budget = Budget(max_llm_calls=1, max_elapsed_ms=10, max_tokens=100)
    spent = Spent(llm_calls=1, elapsed_ms=12, tokens=100)
    assert budget.refusal(spent) == "budget_exceeded: max_llm_calls (1) reached (1 used)"
    spent = Spent(llm_calls=0, elapsed_ms=12, tokens=100)
    assert budget.refusal(spent) == "budget_exceeded: max_elapsed_ms (10ms) reached (12ms elapsed)"
    spent = Spent(llm_calls=0, elapsed_ms=9, tokens=100)
    assert budget.refusal(spent) == "budget_exceeded: max_tokens (100) reached (100 used)"
    assert budget.refusal(Spent(elapsed_ms=9, tokens=99)) is None


def test_zero_calls_forbid_all():
    assert Budget(max_llm_calls=0).refusal(Spent()) is not None


@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 5))
def test_a_batch_never_overshoots(limit, used, calls):
    refused = Budget(max_llm_calls=limit).refusal(Spent(llm_calls=used), calls) is not None
    assert refused == (used + calls > limit)


def test_what_is_left_is_never_below_zero():
    budget = Budget(max_llm_calls=1, max_tokens=10)
    assert budget.remaining(Spent(llm_calls=3, tokens=4)) == {"llm_calls": 0, "elapsed_ms": None, "tokens": 6}
