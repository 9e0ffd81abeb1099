"""Equality of JSON values."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given

from skep.errors import LimitExceeded
from skep.flow.equality import equal, member
from skep.testing.flows import json_values
from skep.values import canonical


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (2, 2.0, True),
        (True, 1, False),
        (False, 0, False),
        (None, False, False),
        ("", None, False),
        ([], {}, False),
        ([1, [2]], [1, [2.0]], True),
        ([True], [1], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": [None]}}, {"a": {"b": [None]}}, True),
        ({"a": 1}, {"b": 1}, False),
        ([1, 2], [1], False),
        (2**64 - 1, float(2**64), False),
    ],
)
def test_equal(a, b, same):
    assert equal(a, b) is same
    assert equal(b, a) is same
    assert member(a, [b]) is same


@given(json_values(), json_values())
def test_a_value_equals_its_copy_and_unequal_text_only_for_numbers(a, b):
    assert equal(a, copy.deepcopy(a))
    if canonical(a) == canonical(b):
        assert equal(a, b)


def test_depth_costs_no_stack():
    a = b = 1
    for _ in range(100_000):
        a, b = [a], [b]
    assert equal(a, b)


def test_looking_through_an_array_has_one_budget():
    needle, other = [1] * 600_000, [2] + [1] * 599_999
    assert member(needle, [other, []]) is False
    assert member(needle, [list(needle), other])
    with pytest.raises(LimitExceeded, match="max_compared"):
        member(needle, [other, list(needle)])
