"""Expressions as people write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import BadSyntax
from skep.flow import expr as ops
from skep.flow.expr import Lit, PathExpr
from skep.flow.expr_text import FUNCTIONS, parse_expression
from skep.flow.path import parse_path
from skep.limits import Limits


def path(text):
    return PathExpr(parse_path(text))


A, B = path("$.a"), path("$.b")


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("$", path("$")),
        (" $.a ", A),
        ("$.a.b[0]['k.x'][-1].c", path("$.a.b[0]['k.x'][-1].c")),
        ("$.ä_1", path("$.ä_1")),
        ("1", Lit(1)),
        ("-1", Lit(-1)),
        ("-9223372036854775808", Lit(-(2**63))),
        ("1.5e3", Lit(1500.0)),
        (".5", Lit(0.5)),
        ("true", Lit(True)),
        ("False", Lit(False)),
        ("null", Lit(None)),
        ("None", Lit(None)),
        ("'$.a'", Lit("$.a")),
        ('"it\'s\\n\\u00e9\\x21"', Lit("it's\né!")),
        ("'two\nlines'", Lit("two\nlines")),
        ("$.a\n  and $.b\n", ops.And((A, B))),
        ("-$.a", ops.Sub(Lit(0), A)),
        ("$.a - 1 - 2", ops.Sub(ops.Sub(A, Lit(1)), Lit(2))),
        ("$.a + 2 * 3", ops.Add(A, ops.Mul(Lit(2), Lit(3)))),
        ("($.a + 2) / 3 % 4", ops.Mod(ops.Div(ops.Add(A, Lit(2)), Lit(3)), Lit(4))),
        ("$.a == 1", ops.Eq(A, Lit(1))),
        ("$.a != 1", ops.Ne(A, Lit(1))),
        ("$.a >= 1", ops.Gte(A, Lit(1))),
        ("1 < $.a <= 3", ops.And((ops.Lt(Lit(1), A), ops.Lte(A, Lit(3))))),
        ("not $.a or $.b and true", ops.Or((ops.Not(A), ops.And((B, Lit(True)))))),
        ("$.a in $.b", ops.In(A, B)),
        ("$.a not in $.b", ops.Not(ops.In(A, B))),
        ("[1, [2]]", Lit([1, [2]])),
        ("[1, $.a]", ops.ArrayExpr((Lit(1), A))),
        ("[]", Lit([])),
        ("{'k': 1}", Lit({"k": 1})),
        ("{'k': $.a}", ops.ObjectExpr({"k": A})),
        ("$.a[$.b]", ops.Index(A, B)),
        ("($.a)['k']", ops.Index(A, Lit("k"))),
        ("$.a[ 0 ]", ops.Index(A, Lit(0))),
        ("len($.a)", ops.Len(A)),
        ("keys($.a)", ops.Keys(A)),
        ("exists($.a)", ops.Exists(A)),
        ("min($.a, 1)", ops.Min((A, Lit(1)))),
        ("max($.a)", ops.Max((A,))),
        ("concat($.a, 'x')", ops.Concat((A, Lit("x")))),
        ("format('{} of {}', $.a, 2)", ops.Format("{} of {}", (A, Lit(2)))),
    ],
)
def test_what_a_text_says(text, expr):
    assert parse_expression(text) == expr


@pytest.mark.parametrize(
    ("text", "says", "fix"),
    [
        ("", "empty", "null"),
        ("  \n", "empty", "null"),
        ("hello", "unknown name 'hello' at column 1", "\"'hello'\""),
        ("hello world", "unknown name 'hello'", "\"'hello world'\""),
        ("$.n < rounds", "unknown name 'rounds' at column 7", "$.rounds"),
        ("$x", "unknown name 'x' at column 2", "$.x"),
        ("$.a-b", "unknown name 'b' at column 5", '$["a-b"]'),
        ("lenn($.a)", "unknown function 'lenn' at column 1", "did you mean 'len'"),
        ("Truee", "unknown name 'Truee'", "did you mean 'True'"),
        ("len", "'len' is a function", "len(...)"),
        ("$.a = 1", "'=' at column 5", "=="),
        ("$.a && $.b", "'&' at column 5", "and"),
        ("$.a || $.b", "'|' at column 5", "or"),
        ("!$.a", "'!' at column 1", "not"),
        ("'open", '"\'" at column 1', "close the string"),
        ("$.a[$.b].c", "'.' at column 9", "brackets"),
        ("$.a 'x'", "cannot be read", None),
        ("$.a$.b", "two values into one at column 4", "operator"),
        ("'a''b'", "two values into one at column 4", "operator"),
        ("1or 2", "two values into one at column 2", "operator"),
        ("f'x'", "prefix 'f'", "leave it out"),
        ("rb'x'", "prefix 'rb'", "leave it out"),
        ("'''x'''", "two values into one", None),
        ("'\\d'", "unknown escape '\\\\d' at column 2", "\\\\"),
        ("'\\ud800'", "lone surrogate", None),
        ("'\\U00110000'", "unknown escape", None),
        ("(1", "never closes ( of column 1", None),
        ("1)", "closes nothing with ) at column 2", None),
        ("(1]", "closes ( with ] at column 3", None),
        ("1 +", "cannot be read at column 3", "write it like"),
        ("1 2", "cannot be read", None),
        ("()", "no such construct", None),
        ("1, 2", "no such construct", None),
        ("+$.a", "no such construct", None),
        ("$.a ** 2", "no such construct", None),
        ("$.a // 2", "no such construct", None),
        ("$.a[1:2]", "no such construct", None),
        ("min(*$.a)", "no such construct", None),
        ("$.a(1)", "only functions can be called", "concat"),
        ("len(1)(2)", "only functions can be called", "concat"),
        ("len()", "takes one value, not 0", None),
        ("len(1, 2)", "takes one value, not 2", None),
        ("min()", "at least one", None),
        ("format()", "template in quotes", "format("),
        ("format($.a)", "template in quotes", "format("),
        ("format('{}')", "1 places {} for 0 values", "{{"),
        ("format('{', 1)", "single '{'", "{{"),
        ("{1: 2}", "key must be a string", None),
        ("{$.a: 2}", "key must be a string", None),
        ("{**$.a}", "key must be a string", None),
        ("{'a': 1, 'a': 2}", "stands twice, at column 10", None),
        ("{1, 2}", "no such construct", None),
        ("1e999", "too large for JSON", None),
        ("99999999999999999999", "64 bits", None),
        ("lambda: 1", "unknown name 'lambda'", None),
        ("1 if $.a else 2", "unknown name 'if'", None),
        ("[x for x in $.a]", "unknown name 'x'", None),
        ("(y := 1)", "unknown name 'y'", None),
        ("1 is 1", "unknown name 'is'", None),
        ("await $.a", "unknown name 'await'", None),
        ("__import__('os')", "unknown function '__import__'", None),
        ("1 # comment", "'#' at column 3", None),
        ("1; 2", "';' at column 2", None),
        ("$.a.", "'.' at column 4", None),
        ("1.5.2", "two values", None),
        ("\x00", "'\\x00' at column 1", None),
    ],
)
def test_what_is_refused_and_how(text, says, fix):
    with pytest.raises(BadSyntax) as caught:
        parse_expression(text)
    assert says in caught.value.what
    assert (fix or "") in (caught.value.fix or "")


def test_chained_comparisons_may_hold_parentheses_but_not_explode():
    assert isinstance(parse_expression("0 < ($.a + 1) < 3"), ops.And)
    with pytest.raises(BadSyntax, match="chained inside chains"):
        parse_expression("(1<" * 14 + "1" + "<1)" * 14)


def test_bounds_are_those_of_the_limits():
    limits = Limits(max_expression_chars=10, max_blueprint_depth=3)
    assert parse_expression("((1))", limits) == Lit(1)
    with pytest.raises(BadSyntax, match="10 characters"):
        parse_expression("1 + 1 + 1 + 1", limits)
    with pytest.raises(BadSyntax, match="more than 3 deep at column 4"):
        parse_expression("((((1))))", limits)
    with pytest.raises(BadSyntax, match="more than 3 deep"):
        parse_expression("1+1+1+1", limits)


WORDS = [
    "$",
    "$.a",
    "$.b[0]",
    "'x'",
    '"',
    "'",
    "1",
    "2.5",
    "and",
    "or",
    "not",
    "in",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
]
MARKS = [
    ",",
    ":",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "<",
    "!=",
    "=",
    ".",
    " ",
    "\\",
    "null",
    "x",
    "ü",
    "\n",
    *FUNCTIONS,
]


@given(st.lists(st.sampled_from(WORDS + MARKS), max_size=12).map("".join) | st.text(max_size=30))
def test_any_text_is_an_expression_or_a_syntax_error(text):
    with suppress(BadSyntax):
        assert isinstance(parse_expression(text), ops.Expr)
