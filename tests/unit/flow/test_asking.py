"""`ask`, `wait` and `skip_if` in documents: every form that is read, every mistake that is named."""

from __future__ import annotations

import pytest

from skep.errors import BuildError
from skep.flow import ask, blueprint, p, seq, step, wait
from skep.flow.blueprint import parse_blueprint
from skep.flow.catalog import Catalog
from skep.flow.lint import lint
from skep.flow.nodes import Ask
from skep.flow.read import read_flow
from skep.flow.version import canonical_document
from skep.flow.write import to_canonical
from skep.limits import DEFAULT_LIMITS

Q = {"op": "path", "at": "$.q"}
A = {"op": "path", "at": "$.a"}
ASK = {"kind": "ask", "question": Q, "audience": ["role:senior"], "on_timeout": "fail"}
ASK |= {"approval": False, "allow_self": False, "out": A}
ONE = {"op": "lit", "value": 1}


def read(document):
    problems = []
    flow = read_flow(document, problems)
    assert problems == []
    return to_canonical(flow)


def problems_of(document):
    problems = []
    assert read_flow(document, problems) is None
    return [(problem.place, problem.code) for problem in problems]


@pytest.mark.parametrize(
    "document",
    [
        ASK,
        {"ask": "$.q", "audience": "senior", "out": "$.a"},
        {"ask": {"question": "$.q", "audience": ["role:senior"], "out": "$.a", "schema": None}},
        {"ask": None, "question": "$.q", "audience": "role:senior", "out": "$.a"},
    ],
)
def test_every_form_of_a_question_is_the_same(document):
    assert read(document) == ASK


def test_every_field_of_a_question_is_read_and_written():
    fields = {
        "audience": ["seat:lead", "principal:ann@example.org"],
        "schema": {"type": "object", "properties": {"$.q": {}}},
        "deadline": 60.0,
        "on_timeout": {"value": None},
        "approval": True,
        "allow_self": True,
        "id": "gate",
    }
    assert read({"ask": "$.q", "out": "$.a", **fields}) == {"kind": "ask", "question": Q, "out": A, **fields}


@pytest.mark.parametrize(
    ("document", "canonical"),
    [
        ({"wait": 1}, {"for": ONE}),
        ({"wait": {"for": 1}}, {"for": ONE}),
        ({"wait": "$.q"}, {"for": Q}),
        ({"wait": {"until": "$.q"}}, {"until": Q}),
        ({"wait": None, "until": "$.q"}, {"until": Q}),
        ({"wait": {"signal": "a.B-c:1_"}}, {"signal": "a.B-c:1_"}),
        ({"wait": {"signal": "go", "out": "$.a"}}, {"signal": "go", "out": A}),
        ({"kind": "wait", "signal": "go", "for": None}, {"signal": "go"}),
    ],
)
def test_every_form_of_a_wait(document, canonical):
    assert read(document) == {"kind": "wait", **canonical}


def test_skip_if_stands_beside_a_step_or_in_it():
    document = {"step": "a", "in": 1, "out": "$.a", "skip_if": "$.q"}
    assert read(document)["skip_if"] == Q
    assert read({"step": {"ref": "a", "in": 1, "out": "$.a", "skip_if": "$.q"}}) == read(document)


@pytest.mark.parametrize(
    ("fields", "place", "code"),
    [
        ({"audience": "lead"}, "flow.audience", "E-FIELD-FORM"),
        ({"audience": "role:worker"}, "flow.audience", "E-FIELD-FORM"),
        ({"audience": "seat:"}, "flow.audience", "E-FIELD-FORM"),
        ({"audience": "seat: lead"}, "flow.audience", "E-FIELD-FORM"),
        ({"audience": "seat:a\nb"}, "flow.audience", "E-FIELD-FORM"),
        ({"audience": "seat:a\u202eb"}, "flow.audience", "E-FIELD-FORM"),
        ({"audience": "seat:" + "x" * 201}, "flow.audience", "E-FIELD-FORM"),
        ({"audience": ["senior", 3]}, "flow.audience[1]", "E-FIELD-FORM"),
        ({"audience": []}, "flow.audience", "E-FIELD-RANGE"),
        ({"audience": ["senior"] * (DEFAULT_LIMITS.max_audience + 1)}, "flow.audience", "E-FIELD-RANGE"),
        ({"audience": {"seat": "x"}}, "flow.audience", "E-FIELD-TYPE"),
        ({"audience": None}, "flow.audience", "E-FIELD-TYPE"),
        ({"schema": True}, "flow.schema", "E-FIELD-TYPE"),
        ({"schema": "$.schema"}, "flow.schema", "E-FIELD-TYPE"),
        ({"schema": {"const": 2**70}}, "flow.schema", "E-VALUE"),
        ({"deadline": 0}, "flow.deadline", "E-FIELD-RANGE"),
        ({"deadline": "$.d"}, "flow.deadline", "E-FIELD-TYPE"),
        ({"on_timeout": "ignore"}, "flow.on_timeout", "E-FIELD-TYPE"),
        ({"on_timeout": {}}, "flow.on_timeout", "E-FIELD-TYPE"),
        ({"on_timeout": {"value": 1, "x": 2}}, "flow.on_timeout", "E-FIELD-TYPE"),
        ({"on_timeout": {"value": 2**70}}, "flow.on_timeout.value", "E-VALUE"),
        ({"approval": "yes"}, "flow.approval", "E-FIELD-TYPE"),
        ({"allow_self": 1}, "flow.allow_self", "E-FIELD-TYPE"),
        ({"out": None}, "flow.out", "E-FIELD-TYPE"),
    ],
)
def test_a_question_that_cannot_be_read(fields, place, code):
    assert problems_of({"ask": "$.q", "audience": "senior", "out": "$.a", **fields}) == [(place, code)]


def test_a_question_needs_a_text_an_audience_and_a_place():
    found = problems_of({"kind": "ask"})
    assert found == [("flow", "E-FIELD-MISSING")] * 3


@pytest.mark.parametrize(
    ("document", "place", "code"),
    [
        ({"wait": None}, "flow", "E-WAIT"),
        ({"wait": {}}, "flow", "E-WAIT"),
        ({"wait": {"for": 1, "until": 2}}, "flow", "E-WAIT"),
        ({"wait": 1, "signal": "go"}, "flow", "E-WAIT"),
        ({"wait": 1, "out": "$.x"}, "flow.out", "E-WAIT"),
        ({"wait": {"until": 1, "out": "$.x"}}, "flow.out", "E-WAIT"),
        ({"wait": {"signal": "two words"}}, "flow.wait.signal", "E-FIELD-FORM"),
        ({"wait": {"signal": ""}}, "flow.wait.signal", "E-FIELD-FORM"),
        ({"wait": {"signal": "x" * 129}}, "flow.wait.signal", "E-FIELD-FORM"),
        ({"wait": {"signal": "go\n"}}, "flow.wait.signal", "E-FIELD-FORM"),
        ({"wait": {"signal": 3}}, "flow.wait.signal", "E-FIELD-FORM"),
        ({"wait": {"until": "2030-01-31T08:00:00Z"}}, "flow.wait.until", "E-SYNTAX"),
        ({"wait": {"fro": 3}}, "flow.wait.fro", "E-FIELD-UNKNOWN"),
    ],
)
def test_a_wait_that_cannot_be_read(document, place, code):
    assert (place, code) in problems_of(document)


# -- lint --------------------------------------------------------------------------------------


def found(flow, catalog=None, **fields):
    document = {"id": "b", "flow": flow, **fields}
    problems = lint(document, catalog or Catalog(), registered=None)
    return [(problem.place, problem.code) for problem in problems]


def question(**fields):
    return {"ask": "$.q", "audience": "senior", "out": "$.a", **fields}


SEATS = {"operators": [{"name": "lead"}, {"name": "ops"}]}


def test_a_seat_must_be_declared():
    flow = question(audience=["seat:lead", "principal:nobody-knows", "seat:opps"])
    problems = lint({"id": "b", "flow": flow, **SEATS}, Catalog(), registered=None)
    assert [(problem.place, problem.code, problem.fix) for problem in problems] == [
        ("flow.audience[2]", "E-SEAT", "did you mean 'ops'?")
    ]
    (problem,) = lint({"id": "b", "flow": question(audience="seat:lead")}, Catalog(), registered=None)
    assert problem.fix == "declare it under operators"


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"$ref": "https://example.org/schema.json"}, "flow.schema.$ref"),
        ({"$ref": "other.json#/x"}, "flow.schema.$ref"),
        ({"anyOf": [{}, {"$dynamicRef": "file:///etc/passwd"}]}, "flow.schema.anyOf[1].$dynamicRef"),
        ({"properties": {"const": {"$ref": "//host/x"}}}, "flow.schema.properties.const.$ref"),
        ({"enum": ["x" * 65_536]}, "flow.schema"),
    ],
)
def test_a_schema_that_reaches_out_or_is_too_large(schema, place):
    assert found(question(schema=schema)) == [(place, "E-QUESTION-SCHEMA")]


def test_references_inside_a_schema_and_fields_of_that_name_are_fine():
    inner = {"$defs": {"x": {"type": "string"}}, "$ref": "#/$defs/x", "items": {"$ref": "#"}}
    named = {"properties": {"$ref": {"type": "string"}}}
    assert found(question(schema=inner)) == found(question(schema=named)) == []


def test_the_host_looks_into_schemas():
    seen = []

    def check(schema):
        seen.append(schema)
        return "unknown type 'text'" if schema.get("type") == "text" else None

    catalog = Catalog(check_schema=check)
    assert found(question(schema={"type": "text"}), catalog) == [("flow.schema", "E-QUESTION-SCHEMA")]
    assert found(question(schema={"type": "string"}), catalog) == []
    assert found(question(schema={"$ref": "http://x"}), catalog) == [
        ("flow.schema.$ref", "E-QUESTION-SCHEMA")
    ]
    assert found(question(), catalog) == []
    assert seen == [{"type": "text"}, {"type": "string"}]


def test_fields_without_effect_are_said_aloud():
    assert found(question(on_timeout={"value": 1})) == [("flow.on_timeout", "W-ASK-IDLE")]
    assert found(question(on_timeout={"value": 1}, deadline=60)) == []
    assert found(question(allow_self=True)) == [("flow.allow_self", "W-ASK-IDLE")]
    assert found(question(allow_self=True, approval=True)) == []


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"for": "'60'"}, "flow.for"),
        ({"for": 400_000_000}, "flow.for"),
        ({"until": "'tomorrow'"}, "flow.until"),
        ({"until": True}, "flow.until"),
    ],
)
def test_a_constant_that_is_no_time(fields, place):
    assert found({"wait": fields}) == [(place, "E-WAIT")]


def test_a_time_of_the_ctx_or_a_good_constant_is_quiet():
    for fields in ({"for": "$.x"}, {"for": -1}, {"until": "'2030-01-31T08:00:00Z'"}, {"signal": "go"}):
        assert found({"wait": fields}) == []


def test_a_skip_if_that_can_never_be_a_boolean():
    flow = {"step": "a", "in": 1, "out": "$.a", "skip_if": "len($.x)"}
    assert found(flow) == [("flow.skip_if", "E-COND-NOT-BOOL")]
    assert found({**flow, "skip_if": "len($.x) > 0"}) == found({**flow, "skip_if": "$.x"}) == []


def test_declared_seats_are_no_longer_without_effect():
    assert found([], **SEATS) == []


# -- builder -----------------------------------------------------------------------------------


def test_the_builder_makes_the_same_blueprint():
    built = blueprint(
        "b",
        seq(
            ask(
                {"ship": p.version},
                audience=["seat:lead", "senior"],
                out=p.ok,
                schema={"type": "boolean"},
                deadline=60,
                on_timeout={"value": False},
                approval=True,
                allow_self=True,
                id="gate",
            ),
            ask("Why?", audience="principal:ann", out=p.why),
            wait(for_=p.pause * 2),
            wait(until="2030-01-31T08:00:00Z", id="later"),
            wait(signal="go", out=p.go),
            step("a", in_=p, out=p.r, skip_if=p.ok == False),  # noqa: E712 - a term
        ),
        operators=[{"name": "lead"}],
    )
    written = {
        "id": "b",
        "operators": [{"name": "lead"}],
        "flow": [
            {
                "ask": "{'ship': $.version}",
                "audience": ["seat:lead", "role:senior"],
                "out": "$.ok",
                "schema": {"type": "boolean"},
                "deadline": 60,
                "on_timeout": {"value": False},
                "approval": True,
                "allow_self": True,
                "id": "gate",
            },
            {"ask": "'Why?'", "audience": "principal:ann", "out": "$.why"},
            {"wait": "$.pause * 2"},
            {"wait": {"until": "'2030-01-31T08:00:00Z'"}, "id": "later"},
            {"wait": {"signal": "go", "out": "$.go"}},
            {"step": "a", "in": "$", "out": "$.r", "skip_if": "$.ok == false"},
        ],
    }
    assert canonical_document(built) == canonical_document(parse_blueprint(written))
    assert lint(built, Catalog(), registered=None) == []


@pytest.mark.parametrize(
    "build",
    [
        lambda: ask("q", audience="lead", out=p.a),
        lambda: ask("q", audience=[], out=p.a),
        lambda: ask("q", audience=["senior", "x"], out=p.a),
        wait,
        lambda: wait(for_=1, signal="go"),
        lambda: wait(for_=1, out=p.a),
    ],
)
def test_the_builder_refuses_at_once(build):
    with pytest.raises(BuildError):
        build()


def test_what_is_written_is_what_is_asked():
    node = ask("Ship it?", audience="senior", out=p.a)
    assert isinstance(node, Ask)
    assert node.audience == ("role:senior",)
