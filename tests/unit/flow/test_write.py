"""What is written is read back as the same flow, in the newest spelling."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings

from skep.errors import LimitExceeded
from skep.flow import nodes
from skep.flow.expr import Lit, Not
from skep.flow.expr_text import parse_expression
from skep.flow.path import parse_path
from skep.flow.read import read_expr, read_flow
from skep.flow.write import expr_to_canonical, to_canonical
from skep.testing.flows import exprs, flows
from skep.values import canonical

LAW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@LAW
@given(exprs())
def test_an_expression_survives_the_round_trip(expr):
    problems = []
    document = json.loads(json.dumps(expr_to_canonical(expr)))
    again = read_expr(document, problems)
    assert problems == []
    assert again == expr
    assert canonical(expr_to_canonical(again)) == canonical(document)  # 2 stays 2, 2.0 stays 2.0


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a flow that is merely large
@LAW
@given(flows())
def test_a_flow_survives_the_round_trip(flow):
    problems = []
    document = json.loads(json.dumps(to_canonical(flow)))
    again = read_flow(document, problems)
    assert problems == []
    assert again == flow
    assert canonical(to_canonical(again)) == canonical(document)


def test_the_canonical_form_is_the_published_one():
    step = nodes.Step(
        id="s", agent="gate", input=parse_expression("$.n <= 3"), out=parse_path('$.a["b c"]'), timeout=2.0
    )
    assert to_canonical(nodes.Branch(cond=Lit(True), then=step)) == {
        "kind": "branch",
        "cond": {"op": "lit", "value": True},
        "then": {
            "kind": "step",
            "id": "s",
            "ref": "gate",
            "in": {"op": "lte", "lhs": {"op": "path", "at": "$.n"}, "rhs": {"op": "lit", "value": 3}},
            "out": {"op": "path", "at": '$.a["b c"]'},
            "timeout": 2.0,
        },
        "else": {"kind": "seq", "children": []},
    }


def test_defaults_that_carry_meaning_are_written_out():
    fanout = nodes.Fanout(items=Lit([]), bind=parse_path("$.x"), body=nodes.Seq(), out=parse_path("$.y"))
    assert to_canonical(fanout)["join"] == "all"
    assert expr_to_canonical(parse_expression("format('x')")) == {"op": "format", "template": "x", "args": []}


def test_what_is_nested_too_deeply_is_refused():
    expr = Lit(1)
    for _ in range(5_000):
        expr = Not(expr)
    with pytest.raises(LimitExceeded, match="max_blueprint_depth"):
        expr_to_canonical(expr)
