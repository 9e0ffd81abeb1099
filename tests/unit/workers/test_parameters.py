# pyright: reportMissingImports=false
from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import BadValue, ConfigError
from skep.limits import DEFAULT_LIMITS
from skep.testing.aio import run
from skep.testing.workers import make_ctx
from skep.workers.python.invocation import Invocation
from skep.workers.python.parameters import Parameters

if TYPE_CHECKING:
    from decimal import Decimal as Unseen


class Colour(enum.Enum):
    RED = "red"


class Point(msgspec.Struct):
    x: int
    y: int = 0


@dataclass
class Box:
    name: str
    corner: Point | None = None
    tags: list[str] = field(default_factory=list)


class Named(TypedDict):
    name: str


class Model:
    """What a pydantic model looks like from outside; pydantic itself is not needed."""

    def __init__(self, data):
        self.data = data

    @classmethod
    def model_validate(cls, data):
        if "name" not in data:
            raise ValueError("1 validation error for Model: name")
        return cls(data)


class Plain:
    pass


async def invocation_for(data):
    return Invocation(make_ctx(data), DEFAULT_LIMITS)


def fill(function, data):
    return Parameters(function).fill(run(invocation_for(data)))


# -- by name -----------------------------------------------------------------------------------


def test_an_object_fills_parameters_by_name_and_defaults_stay():
    def f(path: str, limit: int = 3, *, deep: bool = False): ...

    assert fill(f, {"path": "a", "deep": True}) == {"path": "a", "deep": True}


def test_defaults_are_the_functions_own():
    def f(path: str = "x", tags: list[str] = []): ...  # noqa: B006 - a mutable default is the caller's affair

    assert fill(f, {}) == {}
    assert fill(f, None) == {}


def test_types_are_converted():
    def f(
        *,
        point: Point,
        box: Box,
        colour: Colour,
        maybe: Point | None,
        either: int | str,
        word: Literal["a", "b"],
        small: Annotated[int, msgspec.Meta(le=9)],
        when: datetime,
        where: Path,
        model: Model,
        models: list[Model],
        anything: Any,
        thing: object,
        free,
        ratio: float,
        named: Named,
        pairs: dict[int, Point],
    ): ...

    filled = fill(
        f,
        {
            "point": {"x": 1},
            "box": {"name": "b", "corner": {"x": 2, "y": 3}},
            "colour": "red",
            "maybe": None,
            "either": "e",
            "word": "b",
            "small": 9,
            "when": "2024-05-06T07:08:09Z",
            "where": "a/x",
            "model": {"name": "m"},
            "models": [{"name": "n"}],
            "anything": [1, {"a": None}],
            "thing": [2],
            "free": {"b": 1},
            "ratio": 2,
            "named": {"name": "t"},
            "pairs": {"7": {"x": 5}},
        },
    )
    assert filled["point"] == Point(1)
    assert filled["box"] == Box("b", Point(2, 3))
    assert filled["colour"] is Colour.RED
    assert (filled["maybe"], filled["either"], filled["word"], filled["small"]) == (None, "e", "b", 9)
    assert filled["when"].year == 2024
    assert filled["where"] == Path("a/x")
    assert filled["model"].data == {"name": "m"}
    assert [model.data for model in filled["models"]] == [{"name": "n"}]
    assert (filled["anything"], filled["thing"], filled["free"]) == ([1, {"a": None}], [2], {"b": 1})
    assert (filled["ratio"], type(filled["ratio"])) == (2.0, float)
    assert filled["pairs"] == {7: Point(5)}


def test_an_unknown_key_is_an_error_that_lists_the_parameters():
    def f(path: str, limit: int = 3): ...

    with pytest.raises(BadValue, match=r"unknown key 'pth' \(parameters: path, limit \(optional\)\)"):
        fill(f, {"path": "a", "pth": "b"})


def test_kwargs_take_what_is_left_and_convert_it():
    def f(path: str, **rest: int): ...

    assert fill(f, {"path": "a", "n": 1, "m": 2}) == {"path": "a", "n": 1, "m": 2}
    with pytest.raises(BadValue, match="Expected `int`, got `str`"):
        fill(f, {"path": "a", "n": "one"})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({}, "'path' is missing"),
        ({"path": 3}, r"Expected `str`, got `int` - at `\$.path`"),
        ({"path": "a", "limit": "3"}, "Expected `int`, got `str`"),
        ([1], "expected an object, got array"),
        (None, "expected an object, got null"),
    ],
)
def test_what_does_not_fit_says_why(data, text):
    def f(path: str, limit: int = 3): ...

    with pytest.raises(BadValue, match=text) as error:
        fill(f, data)
    assert "f: " in str(error.value)
    assert "parameters: path, limit (optional)" in str(error.value)


def test_a_models_own_complaint_is_told():
    def f(model: Model, other: int = 0): ...

    with pytest.raises(BadValue, match="validation error for Model: name"):
        fill(f, {"model": {}})


# -- a single parameter ------------------------------------------------------------------------


@pytest.mark.parametrize("data", [3, "text", [1, 2], True, 1.5, None])
def test_anything_but_an_object_is_the_single_parameter(data):
    def f(value): ...

    assert fill(f, data) == {"value": data}


def test_null_leaves_a_default():
    def f(value: int | None = 5): ...

    assert fill(f, None) == {}


@pytest.mark.parametrize("hint", [Point, Box, Named, Model, dict, dict[str, int], Point | None, Box | str])
def test_an_object_is_the_single_parameter_when_that_is_an_object(hint):
    def f(value): ...

    f.__annotations__ = {"value": hint}
    data = {"name": "n", "x": 1} if hint != dict[str, int] else {"x": 1}
    filled = fill(f, data)["value"]
    if hint in (dict, dict[str, int], Named):
        assert filled.items() <= data.items()
    else:
        assert isinstance(filled, Point | Box | Model)


def test_the_parameters_own_name_comes_first():
    def f(point: Point): ...

    assert fill(f, {"point": {"x": 1}}) == {"point": Point(1)}
    assert fill(f, {"x": 1}) == {"point": Point(1)}


def test_a_scalar_parameter_is_filled_by_name_only():
    def f(n: int): ...

    assert fill(f, {"n": 1}) == {"n": 1}
    with pytest.raises(BadValue, match="'n' is missing"):
        fill(f, {"m": 1})


def test_a_function_without_parameters_takes_no_input():
    def f(): ...

    assert fill(f, None) == fill(f, {}) == {}
    with pytest.raises(BadValue, match="it takes no input"):
        fill(f, {"n": 1})
    with pytest.raises(BadValue, match="it takes no input"):
        fill(f, 0)


# -- the invocation ----------------------------------------------------------------------------


def test_the_invocation_comes_by_annotation_or_name_and_mixes_with_others():
    def annotated(call: Invocation): ...
    def named(inv): ...
    def mixed(path: str, call: Invocation, limit: int = 1): ...

    assert isinstance(fill(annotated, {"any": "thing"})["call"], Invocation)
    assert isinstance(fill(named, 3)["inv"], Invocation)
    filled = fill(mixed, {"path": "a"})
    assert filled["path"] == "a"
    assert isinstance(filled["call"], Invocation)
    with pytest.raises(BadValue, match="unknown key 'call'"):
        fill(mixed, {"path": "a", "call": 1})


# -- at registration ---------------------------------------------------------------------------


def positional(a, /): ...
def variadic(*a): ...
def unseen(a: Unseen): ...
def misspelt(a: nowhere): ...  # noqa: F821 - the point
def foreign(a: Plain): ...
def two_objects(a: Point | Box): ...


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (positional, "'a' is positional-only"),
        (variadic, r"\*a cannot be filled by name"),
        (unseen, "'Unseen' is not defined.*TYPE_CHECKING"),
        (misspelt, "'nowhere' is not defined"),
        (foreign, "Plain.* cannot be made from JSON"),
        (two_objects, "more than one dict-like type"),
        (len, "positional-only"),
        (print, r"\*args cannot be filled"),
    ],
)
def test_parameters_that_cannot_be_filled_are_refused_at_once(function, text):
    with pytest.raises(ConfigError, match=text) as error:
        Parameters(function)
    assert function.__name__ in str(error.value)


def test_the_results_annotation_need_not_be_readable():
    def f(n: int) -> Unseen: ...

    assert fill(f, {"n": 1}) == {"n": 1}


def test_methods_objects_partials_and_decorated_functions():
    class Agent:
        def work(self, n: int): ...
        def __call__(self, n: int): ...

    def add(n: int, m: int): ...

    @functools.wraps(add)
    def wrapped(*args, **kwargs): ...

    assert fill(Agent().work, {"n": 1}) == {"n": 1}
    assert fill(Agent(), {"n": 1}) == {"n": 1}
    assert fill(functools.partial(add, m=2), {"n": 1}) == {"n": 1}
    assert fill(functools.partial(add, 1), {"m": 2}) == {"m": 2}
    assert fill(wrapped, {"n": 1, "m": 2}) == {"n": 1, "m": 2}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_any_input_fills_or_is_refused_with_a_bad_value(data):
    def f(path: str, box: Box | None = None, **rest: Any): ...

    try:
        filled = fill(f, data)
    except BadValue:
        return
    assert isinstance(filled["path"], str)
