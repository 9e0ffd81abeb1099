from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from skep import values
from skep.errors import BadValue, LimitExceeded
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.base import WorkerResult
from skep.workers.python.result import final_of


class Point(msgspec.Struct):
    x: int


@dataclass
class Box:
    at: Point
    tags: set[str]


class Model:
    def model_dump(self, mode):
        assert mode == "json"
        return {"from": "model"}


class Colour(enum.Enum):
    RED = "red"


def value_of(returned: Any):
    final = final_of(returned, DEFAULT_LIMITS)
    return values.decode(final.content.value), final.ok


@pytest.mark.parametrize(
    ("returned", "value"),
    [
        (None, None),
        ({"a": [1, 2.5, "x", True, None]}, {"a": [1, 2.5, "x", True, None]}),
        ((1, 2), [1, 2]),
        (Point(1), {"x": 1}),
        (Box(Point(1), {"t"}), {"at": {"x": 1}, "tags": ["t"]}),
        (Model(), {"from": "model"}),
        ([Point(1), {"deep": (Box(Point(2), set()),)}], [{"x": 1}, {"deep": [{"at": {"x": 2}, "tags": []}]}]),
        ({"models": [Model()]}, {"models": [{"from": "model"}]}),
    ],
)
def test_what_may_be_returned(returned, value):
    assert value_of(returned) == (value, True)
    assert value_of(WorkerResult(returned, ok=False)) == (value, False)


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        ({1, 2}, "set has no JSON form"),
        ({"a": {1}}, "set has no JSON form"),
        (float("nan"), "nan is not a JSON number"),
        ([float("inf")], "inf is not a JSON number"),
        ({1: "a"}, "object key 1 is not a string"),
        ("\ud800", "lone surrogate"),
        (2**70, "integer outside 64 bits"),
        (b"bytes", "bytes has no JSON form"),
        (Decimal(1), "Decimal has no JSON form"),
        (Colour.RED, "Colour has no JSON form"),
        (object(), "object has no JSON form"),
        (WorkerResult(1, ok="yes"), "WorkerResult.ok is str, not a boolean"),  # type: ignore[arg-type]
    ],
)
def test_what_may_not(returned, text):
    with pytest.raises(BadValue, match=text) as error:
        final_of(returned, DEFAULT_LIMITS)
    assert "result" in str(error.value)


def test_a_coroutine_is_closed_and_explained():
    async def later():
        return 1

    with pytest.raises(BadValue, match=r"returned a coroutine \(register the async function itself\)"):
        final_of(later(), DEFAULT_LIMITS)


def test_depth_and_size_are_bounded_also_where_members_need_converting():
    deep: Any = Point(1)
    for _ in range(200):
        deep = [deep]
    endless: list[Any] = [Point(1)]
    endless.append(endless)
    for value in (deep, endless):
        with pytest.raises((LimitExceeded, BadValue)):
            final_of(value, DEFAULT_LIMITS)
    with pytest.raises(LimitExceeded, match="max_value_bytes"):
        final_of("x" * 100, Limits(max_value_bytes=50))


def test_changing_it_afterwards_changes_nothing():
    returned = {"a": [1]}
    final = final_of(returned, DEFAULT_LIMITS)
    returned["a"].append(2)
    assert values.decode(final.content.value) == {"a": [1]}
