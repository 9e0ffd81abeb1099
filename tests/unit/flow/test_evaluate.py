"""What expressions mean."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from skep.errors import (
    BadSyntax,
    DivisionByZero,
    EvalError,
    FlowError,
    InvalidPath,
    LimitExceeded,
    PathNotFound,
)
from skep.flow import expr as ops
from skep.flow.evaluate import compile_expr, split_template
from skep.flow.expr_text import parse_expression
from skep.flow.operators import truthy
from skep.testing.flows import exprs, json_values
from skep.values import decode, encode

CTX = {
    "n": 3,
    "f": 2.0,
    "t": True,
    "s": "abc",
    "null": None,
    "xs": [1, 2, {"k": [3]}],
    "o": {"b": 1, "a": 2},
    "words": ["x", "y"],
}


def value_of(text, ctx=CTX):
    return compile_expr(parse_expression(text))(ctx)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$.n", 3),
        ("'x'", "x"),
        ("[1, $.n]", [1, 3]),
        ("{'k': $.n, 'l': 'm'}", {"k": 3, "l": "m"}),
        ("1 + 1", 2),
        ("1 + 1.0", 2.0),
        ("7 - 10", -3),
        ("$.n * $.f", 6.0),
        ("6 / 2", 3),
        ("7 / 2", 3.5),
        ("6.0 / 2", 3.0),
        ("-7 % 3", 2),
        ("7 % -3", -2),
        ("7.5 % 2", 1.5),
        ("-$.n", -3),
        ("1 + 1 == 2", True),
        ("2 == 2.0", True),
        ("$.t == 1", False),
        ("$.t == true", True),
        ("0 == false", False),
        ("null == false", False),
        ("[true] == [1]", False),
        ("$.o == {'a': 2.0, 'b': 1}", True),
        ("$.o != {'a': 2}", True),
        ("'a' == 1", False),
        ("1 < 2.5", True),
        ("'a' < 'b'", True),
        ("2 <= 2 and 3 > 2 and 3 >= 3", True),
        ("1 < $.n < 3", False),
        ("1 < $.n <= 3", True),
        ("not null", True),
        ("not 0", False),
        ("not ''", False),
        ("0 and []", True),
        ("null or false", False),
        ("false and $.missing", False),
        ("1 or $.missing", True),
        ("exists($.n)", True),
        ("exists($.null)", False),
        ("exists($.missing.deeper)", False),
        ("exists($.s.deeper)", False),
        ("exists($.xs[9])", False),
        ("exists(($.xs)[9])", False),
        ("exists($.xs[0])", True),
        ("len($.xs)", 3),
        ("len('äö')", 2),
        ("len($.o)", 2),
        ("keys($.o)", ["a", "b"]),
        ("1 in $.xs", True),
        ("1.0 in $.xs", True),
        ("true in $.xs", False),
        ("{'k': [3]} in $.xs", True),
        ("{'k': [4]} not in $.xs", True),
        ("'a' in $.o", True),
        ("'bc' in $.s", True),
        ("min(3, 1.5, 2)", 1.5),
        ("max([1, 3, 2])", 3),
        ("max('a', 'b')", "b"),
        ("min([2])", 2),
        ("min(2)", 2),
        ("concat('a', 'b', $.s)", "ababc"),
        ("concat([1], [], $.words)", [1, "x", "y"]),
        ("$.xs[$.n - 1]", {"k": [3]}),
        ("$.words[-1]", "y"),
        ("$.o['a']", 2),
        ("{'a': 1}['a']", 1),
        ("format('{} of {}', 1, $.xs)", '1 of [1,2,{"k":[3]}]'),
        ("format('{{{}}} {}', 'x', null)", "{x} null"),
        ("format('{}', {'b': 1, 'a': true})", '{"a":true,"b":1}'),
    ],
)
def test_values(text, value):
    result = value_of(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("$.missing", PathNotFound, "path not found: \\$.missing"),
        ("$.s.x", InvalidPath, "is a string"),
        ("1 / 0", DivisionByZero, "division by zero"),
        ("1 % 0.0", DivisionByZero, "modulo by zero"),
        ("1 + 'a'", EvalError, "number and string"),
        ("'a' + 'b'", EvalError, "concat"),
        ("[1] + [2]", EvalError, "concat"),
        ("$.t + 1", EvalError, "boolean and number"),
        ("1 < 'a'", EvalError, "number and string"),
        ("$.t < 2", EvalError, "boolean"),
        ("null < 1", EvalError, "null"),
        ("9223372036854775807 * 4", EvalError, "64 bits"),
        ("-9223372036854775808 - 1", EvalError, "64 bits"),
        ("1e308 * 10", EvalError, "too large"),
        ("1e308 / 1e-10", EvalError, "too large"),
        ("len(1)", EvalError, "len needs"),
        ("keys([1])", EvalError, "keys needs"),
        ("1 in 2", EvalError, "on its right"),
        ("1 in 'a'", EvalError, "a string to look for"),
        ("1 in $.o", EvalError, "a string to look for"),
        ("min([])", EvalError, "min of nothing"),
        ("min(1, 'a')", EvalError, "needs two"),
        ("max(true)", EvalError, "numbers or strings"),
        ("max([null, 1])", EvalError, "numbers or strings"),
        ("concat('a', [1])", EvalError, "only strings or only arrays"),
        ("concat(1, 2)", EvalError, "only strings or only arrays"),
        ("$.xs[5 - 0]", PathNotFound, "index 5 of an array of length 3"),
        ("$.o['c' ]", PathNotFound, "key 'c'"),
        ("$.s[$.n]", InvalidPath, "cannot be indexed"),
        ("$.xs[$.t]", InvalidPath, "cannot be indexed"),
        ("$.xs[$.f]", InvalidPath, "cannot be indexed"),
        ("exists(1 / 0)", DivisionByZero, "division"),
    ],
)
def test_errors(text, error, says):
    with pytest.raises(error, match=says):
        value_of(text)


def test_only_null_and_false_are_falsy():
    assert [truthy(value) for value in (None, False, 0, "", [], {}, True)] == [False, False, *[True] * 5]


def test_sides_are_evaluated_once_and_in_order():
    missing, zero = parse_expression("$.missing"), parse_expression("1 / 0")
    with pytest.raises(PathNotFound):
        compile_expr(ops.Add(missing, zero))(CTX)
    with pytest.raises(DivisionByZero):
        compile_expr(ops.Add(zero, missing))(CTX)


def test_empty_logic():
    assert compile_expr(ops.And(()))({}) is True
    assert compile_expr(ops.Or(()))({}) is False


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(exprs(), json_values())
def test_every_result_is_a_legal_value_or_a_named_error(expr, ctx):
    before = encode(ctx)
    try:
        result = compile_expr(expr)(ctx)
    except (FlowError, LimitExceeded):
        return
    assert decode(encode(result)) == result
    assert encode(ctx) == before


# -- format templates and bounds -----------------------------------------------------------------


def test_templates_are_split_at_their_places():
    assert split_template("{}, {{{}}}{}") == ("", ", {", "}", "")
    assert split_template("") == ("",)


@pytest.mark.parametrize("template", ["{", "}", "{x}", "{}{", "{{}"])
def test_a_single_brace_is_refused(template):
    with pytest.raises(BadSyntax, match=r"single '[{}]' at column"):
        split_template(template)


def test_a_template_must_fit_its_values():
    with pytest.raises(BadSyntax, match=r"2 places \{\} for 1 values"):
        compile_expr(ops.Format("{}{}", (ops.Lit(1),)))


def test_nesting_is_bounded():
    expr = ops.Lit(1)
    for _ in range(5_000):
        expr = ops.Not(expr)
    with pytest.raises(LimitExceeded, match="max_blueprint_depth"):
        compile_expr(expr)
