"""Expressions in documents: canonical objects, texts, constants, objects of expressions."""

from __future__ import annotations

import pytest

from skep.flow import expr as ops
from skep.flow.expr import Lit, PathExpr
from skep.flow.path import parse_path
from skep.flow.read import read_expr

A = PathExpr(parse_path("$.a"))
PATH = {"op": "path", "at": "$.a"}


@pytest.mark.parametrize(
    ("document", "expr"),
    [
        ("$.a", A),
        ("'hello'", Lit("hello")),
        ("$.a < 3", ops.Lt(A, Lit(3))),
        (3, Lit(3)),
        (2.5, Lit(2.5)),
        (True, Lit(True)),
        (None, Lit(None)),
        (["x", 1, {"k": "v"}], Lit(["x", 1, {"k": "v"}])),
        ([], Lit([])),
        ({}, ops.ObjectExpr({})),
        (
            {"k": "$.a", "l": "'m'", "n": {"o": 1}},
            ops.ObjectExpr({"k": A, "l": Lit("m"), "n": ops.ObjectExpr({"o": Lit(1)})}),
        ),
        (PATH, A),
        ({"op": "lit", "value": "$.a"}, Lit("$.a")),
        ({"op": "lit", "value": ["$.a"]}, Lit(["$.a"])),
        ({"op": "eq", "lhs": PATH, "rhs": "'x'"}, ops.Eq(A, Lit("x"))),
        ({"op": "not", "arg": PATH}, ops.Not(A)),
        ({"op": "in", "needle": PATH, "haystack": [1]}, ops.In(A, Lit([1]))),
        ({"op": "array", "args": [PATH, 1]}, ops.ArrayExpr((A, Lit(1)))),
        ({"op": "object", "fields": {"op": PATH}}, ops.ObjectExpr({"op": A})),
        ({"op": "index", "of": PATH, "at": -1}, ops.Index(A, Lit(-1))),
        ({"op": "format", "template": "{}!", "args": [PATH]}, ops.Format("{}!", (A,))),
        ({"op": "format", "template": "x"}, ops.Format("x")),
        ({"op": "min", "args": [PATH]}, ops.Min((A,))),
    ],
)
def test_what_a_document_says(document, expr):
    problems = []
    assert read_expr(document, problems) == expr
    assert problems == []


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        ("hello", [("expr", "E-SYNTAX")]),
        ("", [("expr", "E-SYNTAX")]),
        (float("nan"), [("expr", "E-VALUE")]),
        ({1, 2}, [("expr", "E-VALUE")]),
        (b"x", [("expr", "E-VALUE")]),
        (2**64, [("expr", "E-VALUE")]),
        ({"k": {1}}, [("expr.k", "E-VALUE")]),
        ({1: 2}, [("expr", "E-FIELD-TYPE")]),
        (["$.a"], [("expr", "E-LITERAL")]),
        ([["$"]], [("expr", "E-LITERAL")]),
        ([{"k": "$[0]"}], [("expr", "E-LITERAL")]),
        ([PATH], [("expr", "E-LITERAL")]),
        ({"op": "lte "}, [("expr.op", "E-OP-UNKNOWN")]),
        ({"op": None}, [("expr.op", "E-OP-UNKNOWN")]),
        ({"op": ["eq"]}, [("expr.op", "E-OP-UNKNOWN")]),
        ({"op": "call_extern", "ref": "x"}, [("expr.op", "E-OP-NOT-YET")]),
        ({"op": "path", "at": 3}, [("expr.at", "E-FIELD-TYPE")]),
        ({"op": "path", "at": "a"}, [("expr.at", "E-PATH")]),
        ({"op": "eq", "lhs": 1}, [("expr", "E-FIELD-MISSING")]),
        ({"op": "eq", "lhs": 1, "rhs": 2, "x": 3}, [("expr.x", "E-FIELD-UNKNOWN")]),
        ({"op": "eq", "lhs": "a", "rhs": "b"}, [("expr.lhs", "E-SYNTAX"), ("expr.rhs", "E-SYNTAX")]),
        ({"op": "and", "args": PATH}, [("expr.args", "E-FIELD-TYPE")]),
        ({"op": "and", "args": [PATH, "x"]}, [("expr.args[1]", "E-SYNTAX")]),
        ({"op": "max", "args": []}, [("expr.args", "E-FIELD-RANGE")]),
        ({"op": "object", "fields": []}, [("expr.fields", "E-FIELD-TYPE")]),
        (
            {"op": "object", "fields": {"a": "b", "c": "d"}},
            [("expr.fields.a", "E-SYNTAX"), ("expr.fields.c", "E-SYNTAX")],
        ),
        ({"op": "format", "template": 3}, [("expr.template", "E-FIELD-TYPE")]),
        ({"op": "format", "template": "{"}, [("expr.template", "E-SYNTAX")]),
        ({"op": "format", "template": "{}"}, [("expr", "E-SYNTAX")]),
        ({"op": "lit"}, [("expr", "E-FIELD-MISSING")]),
    ],
)
def test_problems(document, problems):
    found = []
    assert read_expr(document, found) is None
    assert [(problem.place, problem.code) for problem in found] == problems


def test_a_text_counts_with_its_whole_depth():
    deep = "-(" * 60 + "$.a" + ")" * 60
    nested = {"op": "not", "arg": {"op": "not", "arg": deep}}
    assert read_expr(nested, []) is not None
    for _ in range(60):
        nested = {"op": "not", "arg": nested}
    problems = []
    assert read_expr(nested, problems) is None
    assert [problem.code for problem in problems] == ["E-DEPTH"]


def test_an_object_with_a_field_op_is_told_how():
    problems = []
    assert read_expr({"op": "$.a", "k": 1}, problems) is None
    assert "known:" in problems[0].fix or "object" in problems[0].fix
