from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import StrategyError
from skep.strategy.cards.query import matches, ordered, page, same

ROW = {
    "n": 3,
    "f": 2.0,
    "s": "haiku",
    "b": True,
    "list": [1],
    "stats": {"rate": 0.5, "by": {"x": 1}},
    "nil": None,
}


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({}, True),
        ({"n": 3}, True),
        ({"n": 3.0}, True),
        ({"n": 4}, False),
        ({"b": 1}, False),
        ({"b": True}, True),
        ({"list": [1.0]}, True),
        ({"list": [2]}, False),
        ({"stats": {"rate": 0.5}}, True),
        ({"stats": {"by": {"x": {"gt": 0}}}}, True),
        ({"stats": {"rate": {"eq": 0.5}, "other": {"exists": False}}}, True),
        ({"n": {"gte": 3, "lt": 4}}, True),
        ({"n": {"gt": 3}}, False),
        ({"n": {"lte": "3"}}, False),
        ({"s": {"gt": "a"}}, True),
        ({"b": {"gte": False}}, True),
        ({"list": {"lt": [2]}}, False),
        ({"s": {"contains": "aik"}}, True),
        ({"s": {"starts_with": "ai"}}, False),
        ({"n": {"contains": "3"}}, False),
        ({"n": {"in": [1, 3]}}, True),
        ({"n": {"in": []}}, False),
        ({"n": {"nin": [1, 3]}}, False),
        ({"gone": 1}, False),
        ({"gone": {"ne": 1}}, True),
        ({"gone": {"nin": [1]}}, True),
        ({"gone": {"exists": False}}, True),
        ({"gone": {"exists": True}}, False),
        ({"n": {"exists": "yes"}}, True),
        ({"gone": {"lt": 1}}, False),
        ({"gone": {"deep": 1}}, False),
        ({"_and": [{"n": 3}, {"b": True}]}, True),
        ({"_or": [{"n": 4}, {"b": True}]}, True),
        ({"_or": []}, False),
        ({"_and": {}}, True),
        ({"_not": {"n": 3}}, False),
        ({"_not": {}}, False),
    ],
)
def test_where(where, holds):
    assert matches(where, ROW) is holds


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ([], "where clause must be a table"),
        ("n", "where clause must be a table"),
        ({"_not": 1}, "where clause must be a table"),
        ({"_or": 1}, "_or wants an array"),
        ({"_and": [1]}, "where clause must be a table"),
        ({"n": {"in": 3}}, "in wants an array"),
    ],
)
def test_what_no_clause_is(where, text):
    with pytest.raises(StrategyError, match=text):
        matches(where, ROW)


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab", max_size=2)
rows = st.dictionaries(st.sampled_from("xyz"), scalars | st.lists(scalars, max_size=2), max_size=3)
operators = st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte", "contains", "starts_with"])
clauses = st.recursive(
    st.dictionaries(
        st.sampled_from("xyz"), scalars | st.dictionaries(operators, scalars, min_size=1), max_size=2
    ),
    lambda inner: (
        st.fixed_dictionaries({"_not": inner})
        | st.fixed_dictionaries({"_or": st.lists(inner, max_size=2)})
        | st.fixed_dictionaries({"_and": st.lists(inner, max_size=2)})
    ),
    max_leaves=4,
)


@given(clauses, clauses, rows)
def test_where_is_boolean_algebra(one, two, row):
    a, b = matches(one, row), matches(two, row)
    assert matches({"_not": one}, row) is not a
    assert matches({"_and": [one, two]}, row) is (a and b)
    assert matches({"_or": [one, two]}, row) is (a or b)
    assert matches({"_not": {"_or": [one, two]}}, row) is matches(
        {"_and": [{"_not": one}, {"_not": two}]}, row
    )


@given(scalars, rows)
def test_operators_come_in_pairs(value, row):
    def holds(name):
        return matches({"x": {name: value}}, row)

    assert holds("eq") is not holds("ne")
    assert holds("lte") is (holds("lt") or (holds("gte") and holds("lte")))
    if "x" in row and same(row["x"], value) and value is not None:
        assert matches({"x": value}, row)


@given(st.lists(rows, max_size=6))
def test_order_keeps_every_row_and_descending_puts_what_is_missing_first(given_rows):
    up, down = ordered(given_rows, "x"), ordered(given_rows, ["-x"])
    assert len(up) == len(down) == len(given_rows)
    missing = sum("x" not in row for row in given_rows)
    assert all("x" not in row for row in up[len(up) - missing :])
    assert all("x" not in row for row in down[:missing])
    numbers = [row["x"] for row in up if isinstance(row.get("x"), float)]
    assert numbers == sorted(numbers)


def test_order_by_several_paths():
    cards = [{"a": {"b": 1}, "c": 1}, {"a": {"b": 2}, "c": 1}, {"a": {"b": 1}, "c": 2}, {"c": 0}]
    assert [card["c"] for card in ordered(cards, ["-a.b", "-c"])] == [0, 1, 2, 1]
    for wrong in (1, [1], {}):
        with pytest.raises(StrategyError, match="order_by"):
            ordered(cards, wrong)


def test_pages():
    numbers = [{"n": n} for n in range(5)]
    assert page(numbers, 1, 2.0) == numbers[1:3]
    assert page(numbers, None, None) == numbers
    assert page(numbers, 9, 0) == []
    for wrong in (-1, 1.5, "1", True):
        with pytest.raises(StrategyError, match="limit must be a whole number"):
            page(numbers, None, wrong)
