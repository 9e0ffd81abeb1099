"""The shapes with which bundled strategies check what they get."""

from __future__ import annotations

import pytest

from skep.strategy.host import StrategyHost
from skep.testing.aio import run


def checked(value: str, shape: str):
    """What `check` says of a Lua value: nothing if it fits."""

    async def go():
        async with StrategyHost() as host:
            code = f"local S = require('skep_shapes') local ok, said = S.check({value}, {shape}) return {{ok, said}}"
            return await host.eval_simple(code)

    ok, *said = run(go())
    assert ok is not bool(said)
    return said[0] if said else None


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("'x'", "S.string"),
        ("''", "S.string"),
        ("1.5", "S.number"),
        ("1", "S.between(1, 2)"),
        ("2", "S.count(1, 2)"),
        ("false", "S.boolean"),
        ("{}", "S.array_of(S.string)"),
        ("array({})", "S.array_of(S.string)"),
        ("{'a', 'b'}", "S.array_of(S.string, 2, 2)"),
        ("{a = 'x', more = 1}", "S.shape({a = S.string})"),
        ("{}", "S.shape({a = S.optional(S.string)})"),
        ("{a = null}", "S.shape({a = S.optional(S.string)})"),
        ("'b'", "S.one_of('a', 'b')"),
        ("print", "S.any"),
    ],
)
def test_a_value_fits(value, shape):
    assert checked(value, shape) is None


@pytest.mark.parametrize(
    ("value", "shape", "said"),
    [
        ("nil", "S.string", "value must be a string"),
        ("null", "S.string", "value must be a string"),
        ("1", "S.text", "value must be a string"),
        ("' \\n'", "S.text", "value must not be blank"),
        ("'1'", "S.number", "value must be a number"),
        ("0/0", "S.number", "value must be a number"),
        ("1.0", "S.count(1, 9)", "value must be a whole number from 1 to 9"),
        ("10", "S.count(1, 9)", "value must be a whole number from 1 to 9"),
        ("0", "S.between(0.5, 2)", "value must be a number from 0.5 to 2"),
        ("0/0", "S.between(0, 2)", "value must be a number from 0 to 2"),
        ("'yes'", "S.boolean", "value must be a boolean"),
        ("'x'", "S.array_of(S.string)", "value must be an array of 0 to 1000 items"),
        ("{a = 1}", "S.array_of(S.string)", "value must be an array of 0 to 1000 items"),
        ("{'a', nil, 'b'}", "S.array_of(S.string, 3)", "value must be an array of 3 to 1000 items"),
        ("{'a', 2}", "S.array_of(S.string)", "value[2] must be a string"),
        ("{1}", "S.shape({})", "value must be an object"),
        ("{a = {{}}}", "S.shape({a = S.array_of(S.shape({b = S.text}))})", "value.a[1].b must be a string"),
        ("{b = 1}", "S.shape({b = S.boolean, a = S.string})", "value.a must be a string"),
        ("'c'", "S.one_of('a', 'b')", "value must be one of a, b"),
        ("{llm = {prompt = 'x'}, task = 't'}", "S.input()", "value.llm.prompt must be left out"),
        (
            "{llm = {temperature = 3}, task = 't'}",
            "S.input()",
            "value.llm.temperature must be a number from 0 to 2",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(value, shape, said):
    assert checked(value, shape) == said
