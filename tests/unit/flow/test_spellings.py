"""Every published spelling is read as the newest one."""

from __future__ import annotations

import pytest

from skep.flow.grammar import NODES, OPS
from skep.flow.read import read_expr, read_flow
from skep.flow.spellings import NODES_NOT_YET, OPS_NOT_YET, SPELLINGS, newest
from skep.flow.write import expr_to_canonical, to_canonical

A, ONE = {"op": "path", "at": "$.a"}, {"op": "lit", "value": 1}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"op": "le", "lhs": A, "rhs": ONE}, {"op": "lte", "lhs": A, "rhs": ONE}),
        ({"op": "ge", "lhs": A, "rhs": ONE}, {"op": "gte", "lhs": A, "rhs": ONE}),
        ({"op": "not", "operand": A}, {"op": "not", "arg": A}),
        ({"op": "and", "operands": [A, ONE]}, {"op": "and", "args": [A, ONE]}),
        ({"op": "or", "operands": []}, {"op": "or", "args": []}),
        ({"op": "len", "of": A}, {"op": "len", "arg": A}),
        ({"op": "exists", "at": "$.a"}, {"op": "exists", "arg": A}),
        ({"op": "exists", "at": '$["a-b"].c'}, {"op": "exists", "arg": {"op": "path", "at": '$["a-b"].c'}}),
        ({"op": "exists", "at": "$.a-b"}, {"op": "exists", "arg": {"op": "path", "at": '$["a-b"]'}}),
        ({"op": "exists", "at": A}, {"op": "exists", "arg": A}),
    ],
)
def test_expressions(old, new):
    problems = []
    assert expr_to_canonical(read_expr(old, problems)) == new
    assert expr_to_canonical(read_expr(new, problems)) == new
    assert problems == []


def test_nodes():
    problems = []
    old = {"kind": "assign", "at": A, "value": ONE}
    assert to_canonical(read_flow(old, problems)) == {"kind": "let", "at": A, "value": ONE}
    assert read_flow({"assign": "$.a", "value": 1}, problems) == read_flow(old, problems)
    assert problems == []


def test_a_field_in_both_spellings_is_a_problem():
    problems = []
    assert read_expr({"op": "not", "arg": A, "operand": A}, problems) is None
    assert [problem.code for problem in problems] == ["E-FIELD-TWICE"]


def test_an_old_field_belongs_to_its_op_only():
    problems = []
    assert read_expr({"op": "keys", "of": A}, problems) is None
    assert "E-FIELD-UNKNOWN" in [problem.code for problem in problems]
    assert newest("field", "of", "index") == "of"


def test_the_table_leads_to_words_that_exist():
    for spelling in SPELLINGS:
        assert spelling.old != spelling.new
        if spelling.where == "node":
            assert spelling.new in NODES
            assert spelling.old not in NODES
        elif spelling.where == "op":
            assert spelling.new in OPS
            assert spelling.old not in OPS
        elif spelling.where == "field":
            names = {**NODES, **OPS}[spelling.of].names
            assert spelling.new in names
            assert spelling.old not in names
    assert newest("agent kind", "rust_fn") == "python"


def test_planned_words_are_not_words_yet():
    assert not NODES_NOT_YET & NODES.keys()
    assert not OPS_NOT_YET & OPS.keys()
