from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep import values
from skep.errors import BadValue, LimitExceeded
from skep.limits import Limits

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_is_accepted_comes_back_equal(value):
    again = values.decode(values.encode(value))
    assert again == value
    assert type(again) is type(value)


@given(json_values)
def test_canonical_does_not_depend_on_key_order(value):
    def turned(item):
        if isinstance(item, dict):
            return {key: turned(item[key]) for key in reversed(list(item))}
        return [turned(part) for part in item] if isinstance(item, list) else item

    assert values.canonical(turned(value)) == values.canonical(value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.nan, "not a JSON number"),
        (math.inf, "not a JSON number"),
        ({1, 2}, "set has no JSON form"),
        ({1: "a"}, "key 1 is not a string"),
        ({True: "a"}, "key True is not a string"),
        ("\ud800", "lone surrogate"),
        ({"\udfff": 1}, "lone surrogate"),
        (b"bytes", "bytes has no JSON form"),
        (2**64, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ([object()], "object has no JSON form"),
    ],
)
def test_what_json_cannot_carry_is_refused(value, says):
    for wrapped in (value, [value], {"a": {"b": value}}):
        with pytest.raises(BadValue, match=says):
            values.encode(wrapped)


def test_size_and_depth_are_bounded():
    with pytest.raises(LimitExceeded, match="max_value_bytes"):
        values.encode("x" * 200, Limits(max_value_bytes=100))
    deep = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(LimitExceeded, match="max_value_depth"):
        values.encode(deep)
    cycle = {}
    cycle["self"] = cycle
    with pytest.raises(LimitExceeded, match="max_value_depth"):
        values.encode(cycle)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"nul", b"[NaN]", b'"\xff"', b'"\\ud800"', b"1e400", b"18446744073709551616"]
)
def test_bad_json_from_outside_is_a_bad_value(text):
    with pytest.raises(BadValue):
        values.decode_untrusted(text)


def test_deep_json_from_outside_is_a_limit():
    with pytest.raises(LimitExceeded):
        values.decode_untrusted(b"[" * 1_000_000 + b"]" * 1_000_000)


def test_plain_forms_of_dataclasses_and_structs():
    @dataclass
    class Point:
        x: int
        tags: set[str]

    class Box(msgspec.Struct):
        size: int

    assert values.to_plain(Point(1, {"a"})) == {"x": 1, "tags": ["a"]}
    assert values.to_plain(Box(2)) == {"size": 2}
    assert values.to_plain({1, 2}) == {1, 2}
