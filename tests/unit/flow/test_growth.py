"""Values that flows build themselves are bounded as JSON, however small they are in memory."""

from __future__ import annotations

import pytest
from hypothesis import given

from skep.errors import LimitExceeded
from skep.flow.growth import check_growth
from skep.limits import Limits
from skep.testing.flows import json_values
from skep.values import encode

SMALL = Limits(max_value_bytes=1_000, max_value_depth=10)


@given(json_values())
def test_what_can_be_encoded_is_not_refused(value):
    limits = Limits(max_value_bytes=len(encode(value)))
    check_growth(value, limits)


def test_shared_parts_are_weighed_once_and_counted_as_often_as_they_stand():
    value = ["leaf"]
    for _ in range(40):
        value = [value, value]
    with pytest.raises(LimitExceeded, match="max_value_bytes"):
        check_growth(value)


def test_depth_is_that_of_the_deepest_part():
    value = 1
    for _ in range(10):
        value = {"a": value}
    check_growth(value, SMALL)
    with pytest.raises(LimitExceeded, match="max_value_depth"):
        check_growth([value], SMALL)
    flat = [[1]]
    with pytest.raises(LimitExceeded, match="max_value_depth"):
        check_growth([flat, [[[[[[[[[flat]]]]]]]]]], SMALL)


def test_text_counts_by_its_characters():
    check_growth("x" * 998, SMALL)
    with pytest.raises(LimitExceeded, match="max_value_bytes"):
        check_growth("x" * 1_000, SMALL)
    with pytest.raises(LimitExceeded, match="max_value_bytes"):
        check_growth({"k" * 1_000: 1}, SMALL)


def test_endless_depth_costs_no_stack():
    value = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(LimitExceeded, match="max_value_depth"):
        check_growth(value, where="let")
