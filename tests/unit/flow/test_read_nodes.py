"""Nodes as people write them and as programs do; every problem at once, at its place."""

from __future__ import annotations

import re
from pathlib import Path as File

import pytest

import skep.flow
from skep.core.retry import Backoff, RetryPolicy
from skep.flow import nodes
from skep.flow.codes import CODES
from skep.flow.expr import Eq, Lit, Lt, PathExpr
from skep.flow.nodes import Case, Seq
from skep.flow.path import parse_path
from skep.flow.read import read_flow, read_path, read_retry
from skep.flow.reader import MAX_PROBLEMS


def path(text):
    return PathExpr(parse_path(text))


def at(text):
    return parse_path(text)


GO = {"step": "go", "in": "$", "out": "$.x"}
GONE = nodes.Step(agent="go", input=path("$"), out=at("$.x"))


def flow_of(document):
    problems = []
    flow = read_flow(document, problems)
    assert problems == []
    return flow


def problems_of(document):
    problems = []
    assert read_flow(document, problems) is None
    return [(problem.place, problem.code) for problem in problems]


STEP = nodes.Step(
    id="s",
    agent="go",
    input=path("$.a"),
    out=at("$.x"),
    timeout=2.5,
    retry=RetryPolicy(max_attempts=3, backoff=Backoff(initial=0.5), on=("error", "blocked")),
)
RETRY = {"max_attempts": 3, "backoff": {"initial": 0.5}, "on": ["error", "blocked"]}
FIELDS = {"in": "$.a", "out": "$.x", "timeout": 2.5, "retry": RETRY}


@pytest.mark.parametrize(
    "document",
    [
        {"step": "go", "id": "s", **FIELDS},
        {"step": {"ref": "go", "id": "s", **FIELDS}},
        {"step": {"agent": "go", **FIELDS}, "id": "s"},
        {"kind": "step", "id": "s", "ref": "go", **FIELDS, "in": {"op": "path", "at": "$.a"}},
        {"kind": "step", "id": "s", "ref": "go", **FIELDS, "out": {"op": "path", "at": "$.x"}},
    ],
)
def test_a_step_in_each_style(document):
    assert flow_of(document) == STEP


COND, THEN, ELSE = Lt(path("$.n"), Lit(3)), GONE, Seq(children=(GONE,))


@pytest.mark.parametrize(
    ("document", "node"),
    [
        ([GO, GO], Seq(children=(GONE, GONE))),
        ({"seq": [GO], "id": "k"}, Seq(children=(GONE,), id="k")),
        ({"seq": {"children": [GO]}}, Seq(children=(GONE,))),
        ({"seq": []}, Seq()),
        (
            {"branch": {"cond": "$.n < 3", "then": GO, "else": [GO]}},
            nodes.Branch(cond=COND, then=THEN, otherwise=ELSE),
        ),
        ({"branch": "$.n < 3", "then": GO}, nodes.Branch(cond=COND, then=THEN, otherwise=Seq())),
        ({"branch": {"op": "lit", "value": True}, "then": GO}, nodes.Branch(cond=Lit(True), then=GONE)),
        (
            {"switch": "$.v", "cases": [{"value": "pass", "body": GO}], "default": []},
            nodes.Switch(on=path("$.v"), cases=(Case("pass", GONE),), default=Seq()),
        ),
        (
            {"loop": {"counter": "$.i", "cond": "$.n < 3", "body": GO, "max": 0}},
            nodes.Loop(counter=at("$.i"), cond=COND, body=GONE, max=0),
        ),
        (
            {"fanout": "$.xs", "bind": "$.x", "body": GO, "out": "$.ys"},
            nodes.Fanout(items=path("$.xs"), bind=at("$.x"), body=GONE, out=at("$.ys")),
        ),
        (
            {"fanout": [1, 2], "bind": "$.x", "body": GO, "out": "$.ys"},
            nodes.Fanout(items=Lit([1, 2]), bind=at("$.x"), body=GONE, out=at("$.ys")),
        ),
        (
            {
                "fanout": {
                    "items": "$.xs",
                    "bind": "$.x",
                    "body": GO,
                    "out": "$.ys",
                    "join": "all_settled",
                    "max_concurrency": 4,
                    "select": "$.x",
                }
            },
            nodes.Fanout(
                items=path("$.xs"),
                bind=at("$.x"),
                body=GONE,
                out=at("$.ys"),
                join="all_settled",
                max_concurrency=4,
                select=path("$.x"),
            ),
        ),
        (
            {"parallel": {"a": GO, "step": [GO]}, "out": "$.p", "join": "any"},
            nodes.Parallel(branches={"a": GONE, "step": ELSE}, out=at("$.p"), join="any"),
        ),
        (
            {"parallel": {"branches": {"a": GO}, "out": "$.p", "select": "$.x"}},
            nodes.Parallel(branches={"a": GONE}, out=at("$.p"), select=path("$.x")),
        ),
        (
            {"try": GO, "catch": [GO], "err_at": "$.e"},
            nodes.Try(body=GONE, catch=ELSE, err_at=at("$.e")),
        ),
        ({"try": {"body": GO, "catch": [GO]}}, nodes.Try(body=GONE, catch=ELSE)),
        (
            {"try": {"try": GO, "catch": []}, "catch": []},
            nodes.Try(body=nodes.Try(body=GONE, catch=Seq()), catch=Seq()),
        ),
        ({"let": {"at": "$.a.b", "value": "'x'"}}, nodes.Let(at=at("$.a.b"), value=Lit("x"))),
        ({"let": "$.a", "value": 3}, nodes.Let(at=at("$.a"), value=Lit(3))),
        ({"let": {"op": "path", "at": "$.a"}, "value": None}, nodes.Let(at=at("$.a"), value=Lit(None))),
    ],
)
def test_the_other_nodes(document, node):
    assert flow_of(document) == node


def test_null_stands_for_a_field_that_is_not_there():
    step = {**GO, "retry": None, "timeout": None, "id": None}
    assert flow_of(step) == GONE
    assert flow_of({"branch": {"cond": True, "then": GO, "else": None}}).otherwise == Seq()


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        (3, [("flow", "E-FIELD-TYPE")]),
        (None, [("flow", "E-FIELD-TYPE")]),
        ({}, [("flow", "E-NODE-UNKNOWN")]),
        ({1: 2}, [("flow", "E-NODE-UNKNOWN")]),
        ({"stpe": "go"}, [("flow", "E-NODE-UNKNOWN")]),
        ({"kind": "stpe"}, [("flow.kind", "E-NODE-UNKNOWN")]),
        ({"kind": 3}, [("flow.kind", "E-NODE-UNKNOWN")]),
        ({"kind": ["step"]}, [("flow.kind", "E-NODE-UNKNOWN")]),
        ({**GO, "seq": []}, [("flow", "E-NODE-AMBIGUOUS")]),
        ({"kind": "call", "blueprint": "x"}, [("flow.kind", "E-NODE-NOT-YET")]),
        ({**GO, "otu": 1}, [("flow.otu", "E-FIELD-UNKNOWN")]),
        ({**GO, 5: 1}, [("flow.5", "E-FIELD-UNKNOWN")]),
        ({**GO, "ref": "other"}, [("flow.step", "E-FIELD-TWICE")]),
        ({"step": None}, [("flow", "E-FIELD-MISSING")] * 3),
        ({"step": ""}, [("flow.step", "E-FIELD-TYPE"), *[("flow", "E-FIELD-MISSING")] * 2]),
        ({**GO, "out": 5}, [("flow.out", "E-FIELD-TYPE")]),
        ({**GO, "out": "x"}, [("flow.out", "E-PATH")]),
        ({**GO, "out": {"op": "lit", "value": 1}}, [("flow.out", "E-FIELD-TYPE")]),
        ({**GO, "in": "hello"}, [("flow.in", "E-SYNTAX")]),
        ({**GO, "id": "a b"}, [("flow.id", "E-ID")]),
        ({**GO, "id": "0"}, [("flow.id", "E-ID")]),
        ({**GO, "id": "then"}, [("flow.id", "E-ID")]),
        ({**GO, "timeout": 0}, [("flow.timeout", "E-FIELD-RANGE")]),
        ({**GO, "timeout": -1}, [("flow.timeout", "E-FIELD-RANGE")]),
        ({**GO, "timeout": float("inf")}, [("flow.timeout", "E-FIELD-RANGE")]),
        ({**GO, "timeout": float("nan")}, [("flow.timeout", "E-FIELD-RANGE")]),
        ({**GO, "timeout": 10**400}, [("flow.timeout", "E-FIELD-RANGE")]),
        ({**GO, "timeout": True}, [("flow.timeout", "E-FIELD-TYPE")]),
        ({**GO, "timeout": "3s"}, [("flow.timeout", "E-FIELD-TYPE")]),
        (
            {"loop": {"counter": "$.i", "cond": True, "body": GO, "max": -1}},
            [("flow.loop.max", "E-FIELD-RANGE")],
        ),
        (
            {"loop": {"counter": "$.i", "cond": True, "body": GO, "max": 10**7}},
            [("flow.loop.max", "E-FIELD-RANGE")],
        ),
        (
            {"loop": {"counter": "$.i", "cond": True, "body": GO, "max": 1.0}},
            [("flow.loop.max", "E-FIELD-TYPE")],
        ),
        (
            {"loop": {"counter": "$.i", "cond": True, "body": GO, "max": True}},
            [("flow.loop.max", "E-FIELD-TYPE")],
        ),
        (
            {"fanout": "$.a", "bind": "$.b", "body": GO, "out": "$.c", "max_concurrency": 0, "join": "al"},
            [("flow.join", "E-FIELD-CHOICE"), ("flow.max_concurrency", "E-FIELD-RANGE")],
        ),
        ({"parallel": {}, "out": "$.p"}, [("flow.parallel", "E-FIELD-RANGE")]),
        ({"parallel": [GO], "out": "$.p"}, [("flow.parallel", "E-FIELD-TYPE")]),
        ({"parallel": {"a b": GO}, "out": "$.p"}, [('flow.parallel["a b"]', "E-ID")]),
        ({"parallel": {"a": 3}, "out": "$.p"}, [("flow.parallel.a", "E-FIELD-TYPE")]),
        ({"parallel": {1: GO}, "out": "$.p"}, [("flow.parallel.1", "E-ID")]),
        ({"try": {"bdy": GO}}, [("flow.try.bdy", "E-FIELD-UNKNOWN"), *[("flow", "E-FIELD-MISSING")] * 2]),
        ({"switch": "$.v", "cases": []}, [("flow.cases", "E-FIELD-RANGE")]),
        ({"switch": "$.v", "cases": {"a": GO}}, [("flow.cases", "E-FIELD-TYPE")]),
        ({"switch": "$.v", "cases": [{"value": 1}]}, [("flow.cases[0]", "E-FIELD-TYPE")]),
        (
            {"switch": "$.v", "cases": [{"value": 1, "body": GO}, {"value": 1.0, "body": GO}]},
            [("flow.cases[1]", "E-CASE-DUPLICATE")],
        ),
        ({"switch": "$.v", "cases": [{"value": {1}, "body": GO}]}, [("flow.cases[0].value", "E-VALUE")]),
        ([{**GO, "id": "a"}, GO, {**GO, "id": "a"}], [("flow[2]", "E-ID-DUPLICATE")]),
    ],
)
def test_problems(document, problems):
    assert problems_of(document) == problems


def test_a_switch_tells_true_from_one():
    cases = [{"value": True, "body": []}, {"value": 1, "body": []}]
    assert flow_of({"switch": "$.v", "cases": cases}).cases[1].value == 1


def test_the_same_id_may_stand_in_two_sequences():
    flow_of([{"seq": [{**GO, "id": "a"}]}, {"seq": [{**GO, "id": "a"}]}])


def test_every_problem_is_found_at_once_and_in_order():
    document = [
        {"stpe": "go"},
        {**GO, "in": "$.a +", "out": "x", "id": "1"},
        {"branch": {"cond": "1 <", "then": {"seq": [{"let": 5, "value": "b"}]}}},
    ]
    assert problems_of(document) == [
        ("flow[0]", "E-NODE-UNKNOWN"),
        ("flow[1].id", "E-ID"),
        ("flow[1].in", "E-SYNTAX"),
        ("flow[1].out", "E-PATH"),
        ("flow[2].branch.cond", "E-SYNTAX"),
        ("flow[2].branch.then.seq[0].let", "E-FIELD-TYPE"),
        ("flow[2].branch.then.seq[0].value", "E-SYNTAX"),
    ]


def test_the_list_of_problems_is_bounded():
    found = problems_of([3] * 5_000)
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1][1] == "E-LIMIT"


def test_problems_of_others_do_not_count():
    problems = ["someone else's"]
    assert read_flow(GO, problems, "agents.x") == GONE
    assert read_flow(3, problems, "agents.x") is None
    assert problems[1].place == "agents.x"


@pytest.mark.parametrize(
    ("document", "fix"),
    [
        ({"stpe": "go"}, "did you mean 'step'?"),
        ({"kind": "loob"}, "did you mean 'loop'?"),
        ({**GO, "timeuot": 1}, "did you mean 'timeout'?"),
        ({"step": "go", "in": "$"}, "write out: $.name"),
        (
            {"fanout": {"items": "$.a", "bind": "$.b", "body": [], "out": "$.c", "join": "rce"}},
            "did you mean 'race'?",
        ),
        ({**GO, "in": "hello"}, "'hello'"),
    ],
)
def test_problems_come_with_a_fix(document, fix):
    problems = []
    assert read_flow(document, problems) is None
    assert fix in problems[0].fix


@pytest.mark.parametrize(
    ("document", "policy"),
    [
        ({}, RetryPolicy()),
        (RETRY, RetryPolicy(3, Backoff(initial=0.5), ("error", "blocked"))),
        ({"backoff": {"initial": 0, "factor": 1, "max": 5}}, RetryPolicy(backoff=Backoff(0.0, 1.0, 5.0))),
        ({"on": []}, RetryPolicy(on=())),
    ],
)
def test_retry_policies(document, policy):
    problems = []
    assert read_retry(document, problems) == policy
    assert problems == []


@pytest.mark.parametrize(
    ("document", "place", "code"),
    [
        (3, "retry", "E-FIELD-TYPE"),
        ({"max_attempts": 0}, "retry.max_attempts", "E-FIELD-RANGE"),
        ({"max_attempts": "3"}, "retry.max_attempts", "E-FIELD-TYPE"),
        ({"backoff": 3}, "retry.backoff", "E-FIELD-TYPE"),
        ({"backoff": {"max": float("inf")}}, "retry.backoff.max", "E-FIELD-RANGE"),
        ({"backoff": {"initial": -1}}, "retry.backoff.initial", "E-FIELD-RANGE"),
        ({"backoff": {"start": 1}}, "retry.backoff.start", "E-FIELD-UNKNOWN"),
        ({"on": "error"}, "retry.on", "E-FIELD-TYPE"),
        ({"on": ["eror"]}, "retry.on[0]", "E-FIELD-CHOICE"),
        ({"on": [["error"]]}, "retry.on[0]", "E-FIELD-CHOICE"),
        ({"tries": 3}, "retry.tries", "E-FIELD-UNKNOWN"),
    ],
)
def test_retry_policies_with_problems(document, place, code):
    problems = []
    assert read_retry(document, problems) is None
    assert [(problem.place, problem.code) for problem in problems] == [(place, code)]


def test_paths_are_read_alone():
    problems = []
    assert read_path("$.a[0]", problems) == at("$.a[0]")
    assert read_path({"op": "path", "at": "$.a[0]"}, problems) == at("$.a[0]")
    assert problems == []


def test_every_code_that_is_reported_is_explained():
    sources = File(skep.flow.__file__).parent.glob("read*.py")
    reported = {code for source in sources for code in re.findall(r'"([EW]-[A-Z-]+)"', source.read_text())}
    assert len(reported) > 15
    assert reported <= CODES.keys()


def test_conditions_stay_as_written():
    assert flow_of({"branch": "$.a == 'x'", "then": []}).cond == Eq(path("$.a"), Lit("x"))
