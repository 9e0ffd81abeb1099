from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import skep
from skep.errors import SkepError
from skep.flow.blueprint import parse_blueprint
from skep.flow.document import parse_document
from skep.flow.grammar import NODES, OPS
from skep.flow.schema import blueprint_schema
from skep.flow.version import canonical_document

SCHEMA = blueprint_schema()
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)
ROOT = Path(__file__).parents[3]
PACKAGE = Path(skep.__file__).parent
FILES = sorted([*ROOT.glob("examples/**/*.yaml"), *PACKAGE.rglob("*.yaml")])
STEP = {"step": "a", "in": "$.x", "out": "$.y"}


def blueprint(flow, **fields):
    return {"id": "b", "flow": flow, **fields}


def test_it_is_a_schema():
    assert jsonschema_rs.meta.is_valid(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.parent.name))
def test_every_blueprint_that_is_shipped_is_valid(file):
    VALIDATOR.validate(parse_document(file.read_bytes(), "yaml").value)


def test_there_are_blueprints_to_check():
    assert FILES


GOOD = {
    "published": blueprint(
        {
            "kind": "seq",
            "children": [
                {
                    "kind": "assign",
                    "at": {"op": "path", "at": "$.n"},
                    "value": {"op": "len", "of": {"op": "lit", "value": [1]}},
                },
                {
                    "kind": "branch",
                    "cond": {
                        "op": "and",
                        "operands": [{"op": "not", "operand": {"op": "exists", "at": "$.x"}}],
                    },
                    "then": {"kind": "seq", "children": []},
                    "else": {
                        "kind": "step",
                        "ref": "a",
                        "in": {"op": "path", "at": "$"},
                        "out": {"op": "path", "at": "$.y"},
                    },
                },
            ],
        },
        agents=[{"name": "a", "kind": "rust_fn", "spec": {"fn_id": "identity"}}],
        schema_version="0.1.0",
    ),
    "yaml words": blueprint(
        [
            STEP,
            {"seq": [STEP]},
            {"branch": "$.ok", "then": STEP},
            {"branch": {"cond": "$.ok", "then": STEP, "else": None}},
            {"switch": "$.v", "cases": [{"value": "x", "body": STEP}], "default": []},
            {"loop": {"counter": "$.n", "cond": "$.n < 3", "max": 3, "body": STEP}},
            {
                "fanout": "$.items",
                "bind": "$.i",
                "body": STEP,
                "out": "$.o",
                "join": "any",
                "max_concurrency": 2,
                "select": "$.y",
            },
            {"parallel": {"left": STEP, "right": [STEP]}, "out": "$.p"},
            {"parallel": {"branches": {"left": STEP}, "out": "$.p"}},
            {"try": STEP, "catch": {"let": "$.e", "value": "'x'"}, "err_at": "$.err"},
            {
                "let": "$.z",
                "value": {"a": "$.x", "b": [1, 2], "c": {"op": "format", "template": "{}", "args": ["$.x"]}},
            },
            {"assign": "$.z", "value": None},
            {
                "step": {
                    "ref": "a",
                    "in": 1,
                    "out": "$.y",
                    "retry": {"max_attempts": 2, "backoff": {"initial": 0}},
                    "timeout": 3,
                }
            },
            {**STEP, "skip_if": "$.done"},
            {"ask": "$.q", "audience": "senior", "out": "$.y"},
            {
                "ask": {
                    "question": {"ship": "$.v"},
                    "audience": ["seat:a b", "principal:ann", "role:senior"],
                    "schema": {"type": "boolean"},
                    "deadline": 3,
                    "on_timeout": {"value": None},
                    "approval": True,
                    "allow_self": False,
                    "out": "$.y",
                }
            },
            {"ask": "$.q", "audience": "seat:a", "out": "$.y", "on_timeout": "fail", "deadline": 1},
            {"wait": 60},
            {"wait": {"until": "'2030-01-31T08:00:00Z'"}},
            {"wait": {"signal": "a.b-c:1_"}, "out": "$.y"},
        ],
        agents={"a": "pkg.mod:fn", "b": {"kind": "subprocess", "spec": {"program": "x"}}},
    ),
    "references": {
        "id": {"$file": "id.txt"},
        "flow": [],
        "agents": [
            {"$agent_md": "a.md", "timeout": 3},
            {
                "name": "b",
                "kind": "agent",
                "profile": {"system_prompt": {"$file": "p.md"}, "tools": [{"$file": "t"}]},
            },
        ],
    },
}


@pytest.mark.parametrize("name", GOOD)
def test_every_form_is_valid(name):
    VALIDATOR.validate(GOOD[name])


BAD = {
    "no id": {"flow": []},
    "unknown field": blueprint([], agnets=[]),
    "unknown agent field": blueprint([], agents=[{"name": "a", "kind": "python", "tymeout": 3}]),
    "agent without name": blueprint([], agents=[{"kind": "python"}]),
    "unknown node": blueprint({"stpe": "a"}),
    "unknown kind of node": blueprint({"kind": "stpe"}),
    "unknown node field": blueprint({**STEP, "otu": "$.x"}),
    "unknown op": blueprint({"let": "$.x", "value": {"op": "plus", "lhs": 1, "rhs": 2}}),
    "op without arg": blueprint({"let": "$.x", "value": {"op": "add", "lhs": 1}}),
    "bad path": blueprint({**STEP, "out": "x"}),
    "bad join": blueprint({"fanout": "$.x", "bind": "$.i", "body": [], "out": "$.o", "join": "some"}),
    "no branches": blueprint({"parallel": {"branches": {}, "out": "$.p"}}),
    "bad retry": blueprint({**STEP, "retry": {"max_attempts": 0}}),
    "no audience": blueprint({"ask": "$.q", "audience": [], "out": "$.y"}),
    "bad audience": blueprint({"ask": "$.q", "audience": "lead", "out": "$.y"}),
    "bad on_timeout": blueprint({"ask": "$.q", "audience": "senior", "out": "$.y", "on_timeout": {"x": 1}}),
    "bad signal": blueprint({"kind": "wait", "signal": "two words"}),
    "not a callable": blueprint([], agents={"a": "not python"}),
    "bad choice": blueprint([], check_policy="loud"),
    "file with more": blueprint([], metadata={"description": {"$file": "x", "y": 1}}),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_invalid(name):
    assert not VALIDATOR.is_valid(BAD[name])


def test_canonical_documents_are_valid():
    for document in (GOOD["published"], GOOD["yaml words"]):
        VALIDATOR.validate(canonical_document(parse_blueprint(document)))


paths = st.sampled_from(["$", "$.x", "$.y[0].z", {"op": "path", "at": "$.w"}])
words = st.sampled_from(
    ["$.x", "$.n + 1", "'text'", "len($.x) > 2 and not $.y", 3, 0.5, None, True, [1, "x", {"k": 2}]]
)
exprs = st.recursive(
    words,
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "b c"]), inner, max_size=2)
        | st.fixed_dictionaries({"op": st.sampled_from(["le", "lte", "add", "in"])}).flatmap(
            lambda op: st.fixed_dictionaries(
                {"op": st.just(op["op"])}
                | (
                    dict.fromkeys(("needle", "haystack"), inner)
                    if op["op"] == "in"
                    else dict.fromkeys(("lhs", "rhs"), inner)
                )
            )
        )
        | st.fixed_dictionaries({"op": st.sampled_from(["not", "len", "keys"]), "arg": inner})
        | st.fixed_dictionaries({"op": st.just("or"), "operands": st.lists(inner, max_size=2)})
    ),
    max_leaves=4,
)


def node(word, **fields):
    """One node in each of the three ways to write it."""
    required = {name: part for name, part in fields.items() if not name.startswith("opt_")}
    optional = {name.removeprefix("opt_"): part for name, part in fields.items() if name.startswith("opt_")}
    whole = st.fixed_dictionaries(required, optional=optional)
    beside = whole.map(lambda given: {word: given.pop(next(iter(required))), **given})
    return whole.map(lambda given: {"kind": word, **given}) | whole.map(lambda given: {word: given}) | beside


flows = st.recursive(
    node(
        "step",
        ref=st.just("a"),
        **{"in": exprs},
        out=paths,
        opt_timeout=st.just(3),
        opt_retry=st.just({"on": ["error"]}),
        opt_skip_if=exprs,
    )
    | node(
        "ask",
        question=exprs,
        audience=st.sampled_from(["senior", "seat:a", ["principal:a", "role:senior"]]),
        out=paths,
        opt_schema=st.just({"type": "string"}),
        opt_on_timeout=st.sampled_from(["fail", {"value": [1]}]),
        opt_approval=st.booleans(),
    )
    | node("wait", **{"for": exprs})
    | node("wait", until=exprs)
    | node("wait", signal=st.just("go"), opt_out=paths),
    lambda inner: (
        st.lists(inner, max_size=2)
        | node("seq", children=st.lists(inner, max_size=2))
        | node("assign", at=paths, value=exprs)
        | node("branch", cond=exprs, then=inner, opt_else=inner)
        | node("loop", cond=exprs, counter=paths, max=st.integers(0, 5), body=inner)
        | node(
            "fanout",
            items=exprs,
            bind=paths,
            out=paths,
            body=inner,
            opt_join=st.just("any"),
            opt_select=exprs,
        )
        | node("try", body=inner, catch=inner, opt_err_at=paths)
        | st.fixed_dictionaries(
            {"parallel": st.dictionaries(st.sampled_from(["l", "r-1"]), inner, min_size=1), "out": paths}
        )
    ),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(flows)
def test_what_can_be_read_is_valid_and_so_is_its_canonical_form(flow):
    document = blueprint(flow)
    try:
        read = parse_blueprint(document)
    except SkepError:  # an object under a node's word may mean its fields or an expression
        return
    VALIDATOR.validate(document)
    VALIDATOR.validate(canonical_document(read))


def properties(schema, place=""):
    if isinstance(schema, dict):
        for name, field in schema.get("properties", {}).items():
            yield f"{place}.{name}", field
        for key, inner in schema.items():
            yield from properties(inner, f"{place}/{key}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from properties(inner, f"{place}/{number}")


def test_every_field_is_described():
    bare = [
        place
        for place, field in properties(SCHEMA)
        if isinstance(field, dict)
        and "description" not in field
        and not place.endswith((".backend", "Case.body"))
    ]
    assert bare == []


def test_older_spellings_are_marked():
    step = SCHEMA["$defs"]["Node_step"]["anyOf"][0]["properties"]
    assert step["agent"]["deprecated"] is True
    assert "deprecated" not in step["ref"]
    assert SCHEMA["$defs"]["Op_not"]["required"] == ["op"]
    assert SCHEMA["$defs"]["Op_add"]["required"] == ["op", "lhs", "rhs"]


def test_every_node_and_op_has_a_definition():
    assert {f"Node_{word}" for word in NODES} | {f"Op_{word}" for word in OPS} <= SCHEMA["$defs"].keys()
