from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.core.usage import MOST, Usage, read_usage

NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=True, allow_infinity=True), st.booleans(), st.none())
VALUES = st.recursive(
    st.one_of(NUMBERS, st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["usage", "tokens", "input_tokens", "money", "cost_usd", "x"]), inner
        ),
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        (120, Usage(120)),
        (1.5, Usage(2)),
        ({"total_tokens": 5, "input_tokens": 900}, Usage(5)),
        ({"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5}, Usage(12)),
        (
            {"usage": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}, "total_cost_usd": 0.25},
            Usage(3, 250_000),
        ),
        ({"money": 0.0000001}, Usage(0, 1)),
        ({"tokens": -1, "input_tokens": 3}, Usage(3)),
        ({"tokens": True}, None),
        ({"tokens": "12"}, None),
        ({"tokens": float("nan")}, None),
        ({"tokens": 2**70}, None),
        ({}, None),
        ("12", None),
        (None, None),
    ],
)
def test_what_is_understood(report, usage):
    assert read_usage(report) == usage


@given(VALUES)
def test_whatever_is_reported_is_a_small_whole_number_or_nothing(report):
    usage = read_usage(report)
    if usage is not None:
        assert 0 <= usage.tokens <= 6 * MOST
        assert 0 <= usage.money <= MOST
        assert (type(usage.tokens), type(usage.money)) == (int, int)
