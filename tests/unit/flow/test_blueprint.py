from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from skep.core.retry import Backoff, RetryPolicy
from skep.errors import BadSyntax, BlueprintError, LimitExceeded
from skep.flow.agents import AgentBlockInProcess, SubprocessOverrides, SubprocessRunner
from skep.flow.blueprint import Blueprint, parse_blueprint, read_blueprint
from skep.flow.problems import Problem
from skep.flow.version import canonical_blueprint, canonical_document, version
from skep.limits import Limits

FLOW = {"step": "a", "in": "$.x", "out": "$.y"}
SMALL = {"id": "b", "flow": FLOW}

EVERYTHING = {
    "schema_version": "0.1.0",
    "id": "all",
    "flow": {"seq": [FLOW, {"let": "$.z", "value": 1}]},
    "agents": [
        {
            "name": "a",
            "kind": "subprocess",
            "spec": {"program": "cat", "args": ["-"]},
            "profile": {
                "system_prompt": "Be {{ directive }}",
                "model": "m",
                "effort": "high",
                "tools": ["t"],
                "description": "d",
                "extras": {"k": [1, None]},
                "version_hash": "00",
                "worker_binding": "w",
            },
            "meta": {
                "description": "d",
                "version": "1",
                "tags": ["t"],
                "ctx": {"k": 1},
                "context_policy": {"include": ["x"], "exclude": ["y"], "steps": [], "steps_exclude": ["z"]},
                "meta_ref": "shared",
                "projection_name": "p",
            },
            "runner": {
                "backend": "subprocess",
                "template": "cli",
                "overrides": {"model": "m", "tools": [], "cwd": "."},
            },
            "runner_ref": "r",
            "verdict": {"channel": "part", "values": ["PASS", "BLOCKED"]},
            "lints": {"some-lint": "allow"},
            "retry": {"max_attempts": 3, "backoff": {"initial": 0.5}, "on": ["error", "blocked"]},
            "timeout": 5,
            "on_interrupt": "fail",
            "side_effects": True,
        },
        {"name": "b", "kind": "agent", "runner": {"backend": "agent_block_in_process", "tools": []}},
    ],
    "operators": [
        {"name": "o", "display_name": "O", "kind": "main_ai", "spec": 1, "profile": {}, "meta": {}}
    ],
    "metas": [{"name": "shared", "ctx": {"k": 1}}],
    "hints": {"per_agent": {"a": 1}, "global": {"x": 2}},
    "strategy": {"strict_refs": False, "strict_kind": False, "strict_binding": True},
    "metadata": {
        "description": "d",
        "origin": {"kind": "file", "path": "x", "more": 1},
        "tags": ["t"],
        "version_label": "1.2.0-rc.1",
        "project_name_alias": "p",
        "default_run_ttl_secs": 60,
        "strict_verdict_handling": True,
        "lints": {"x": "deny"},
    },
    "spawner_hints": {"layers": ["audit"]},
    "default_agent_kind": "python",
    "default_operator_kind": "automate",
    "default_init_ctx": {"x": 1},
    "default_agent_ctx": {"k": 1},
    "default_context_policy": {"exclude": ["secret"]},
    "projection_placement": {"root": "project_root", "dir_template": "out/{task_id}"},
    "audits": [{"agent": "b", "steps": ["*"], "mode": "sync"}],
    "degradation_policy": "fail",
    "runners": [{"name": "r", "runner": {"backend": "ws_operator", "variant": "v", "tools": ["t"]}}],
    "default_runner": "r",
    "subprocesses": [
        {
            "name": "cli",
            "argv": ["x", "{prompt}"],
            "stdin": "{prompt}",
            "env": {"A": "b"},
            "cwd": ".",
            "output": {
                "format": "json",
                "result_ptr": "/r",
                "ok_from": "exit_code",
                "stats": {"usage_ptr": "/u"},
            },
        },
        {"name": "lines", "argv": ["x"], "stream_mode": "ndjson_lines"},
    ],
    "check_policy": "strict",
    "blueprint_ref_includes": ["agents"],
}


def problems_of(document):
    with pytest.raises(BlueprintError) as caught:
        parse_blueprint(document)
    return [(problem.place, problem.code) for problem in caught.value.problems]


# -- reading -----------------------------------------------------------------------------------


def test_every_published_field_is_read():
    assert EVERYTHING.keys() == {field.encode_name for field in structs.fields(Blueprint)}
    blueprint = parse_blueprint(EVERYTHING)
    agent = blueprint.agents[0]
    assert agent.retry == RetryPolicy(3, Backoff(initial=0.5), ("error", "blocked"))
    assert agent.timeout == 5.0
    assert agent.runner == SubprocessRunner(
        template="cli", overrides=SubprocessOverrides(model="m", tools=(), cwd=".")
    )
    assert blueprint.agents[1].runner == AgentBlockInProcess(tools=())
    assert blueprint.hints.everywhere == {"x": 2}
    assert blueprint.metadata.origin == {"kind": "file", "path": "x", "more": 1}
    assert blueprint.subprocesses[1].stream_mode == "ndjson_lines"


def test_a_small_document_has_the_published_defaults():
    blueprint = parse_blueprint(SMALL)
    assert blueprint.schema_version == "0.1.0"
    assert (blueprint.strategy.strict_refs, blueprint.strategy.strict_kind) == (True, True)
    assert blueprint.strategy.strict_binding is False
    assert blueprint.default_agent_kind == "operator"
    assert blueprint.default_init_ctx is None
    assert blueprint.projection_placement.dir_template == "workspace/tasks/{task_id}/ctx"


def test_agents_may_be_an_object_by_name_with_python_in_short():
    blueprint = parse_blueprint(
        {
            **SMALL,
            "agents": {
                "scan": "review.agents:Scan.run",
                "lint": {"kind": "process", "spec": {"program": "ruff"}},
            },
        }
    )
    assert [(agent.name, agent.kind, agent.spec) for agent in blueprint.agents] == [
        ("lint", "subprocess", {"program": "ruff"}),
        ("scan", "python", {"callable": "review.agents:Scan.run"}),
    ]


@pytest.mark.parametrize(
    ("old", "new"), [("rust_fn", "python"), ("process", "subprocess"), ("agent_block", "agent")]
)
def test_every_published_spelling_of_a_kind_is_read(old, new):
    assert parse_blueprint({**SMALL, "agents": [{"name": "a", "kind": old}]}).agents[0].kind == new
    assert (
        parse_blueprint({**SMALL, "default_agent_kind": old, "agents": [{"name": "a"}]}).agents[0].kind == new
    )


def test_the_document_is_not_shared_with_the_blueprint():
    document = {**SMALL, "default_init_ctx": {"x": [1]}}
    blueprint = parse_blueprint(document)
    document["default_init_ctx"]["x"].append(2)
    assert blueprint.default_init_ctx == {"x": [1]}


def test_what_an_interruption_does_by_default():
    def interruption(**fields):
        return (
            parse_blueprint({**SMALL, "agents": [{"name": "a", "kind": "python", **fields}]})
            .agents[0]
            .interruption
        )

    assert interruption() == "retry"
    assert interruption(side_effects=True) == "ask"
    assert interruption(side_effects=True, on_interrupt="retry") == "retry"
    assert interruption(on_interrupt="fail") == "fail"


# -- refusing ----------------------------------------------------------------------------------


def agent(**fields):
    return {**SMALL, "agents": [{"name": "a", "kind": "python", **fields}]}


@pytest.mark.parametrize(
    ("document", "place", "code"),
    [
        (None, "", "E-FIELD-TYPE"),
        ([], "", "E-FIELD-TYPE"),
        ({"flow": FLOW}, "id", "E-FIELD-MISSING"),
        ({"id": "b"}, "flow", "E-FIELD-MISSING"),
        ({**SMALL, "id": ""}, "id", "E-FIELD-FORM"),
        ({**SMALL, "agnets": []}, "agnets", "E-FIELD-UNKNOWN"),
        ({**SMALL, "agents": "x"}, "agents", "E-FIELD-TYPE"),
        ({**SMALL, "agents": [{"name": "a"}]}, "agents[0].kind", "E-FIELD-MISSING"),
        ({**SMALL, "agents": {"a": "not python"}}, "agents.a", "E-FIELD-FORM"),
        ({**SMALL, "agents": ["m:f"]}, "agents[0]", "E-FIELD-TYPE"),
        ({**SMALL, "agents": {"a": {"name": "b", "kind": "python"}}}, "agents.a.name", "E-FIELD-FORM"),
        ({**SMALL, "agents": {"a b": {}}}, 'agents["a b"].kind', "E-FIELD-MISSING"),
        (agent(spek={}), "agents[0].spek", "E-FIELD-UNKNOWN"),
        (agent(timeout=0), "agents[0].timeout", "E-FIELD-RANGE"),
        (agent(timeout="5"), "agents[0].timeout", "E-FIELD-TYPE"),
        (agent(retry={"max_attempts": 0}), "agents[0].retry.max_attempts", "E-FIELD-RANGE"),
        (agent(retry={"max_atempts": 2}), "agents[0].retry.max_atempts", "E-FIELD-UNKNOWN"),
        (agent(on_interrupt="maybe"), "agents[0].on_interrupt", "E-FIELD-CHOICE"),
        (agent(on_interrupt=3), "agents[0].on_interrupt", "E-FIELD-CHOICE"),
        (agent(side_effects=1), "agents[0].side_effects", "E-FIELD-TYPE"),
        (agent(profile={"tools": ["x", 3]}), "agents[0].profile.tools[1]", "E-FIELD-TYPE"),
        (agent(profile=[]), "agents[0].profile", "E-FIELD-TYPE"),
        (
            agent(meta={"context_policy": {"includes": []}}),
            "agents[0].meta.context_policy.includes",
            "E-FIELD-UNKNOWN",
        ),
        (agent(runner={"backend": "ssh"}), "agents[0].runner.backend", "E-FIELD-CHOICE"),
        (agent(runner={}), "agents[0].runner.backend", "E-FIELD-CHOICE"),
        (agent(runner="x"), "agents[0].runner", "E-FIELD-TYPE"),
        ({**SMALL, "runners": [{"name": "r", "runner": None}]}, "runners[0].runner", "E-FIELD-TYPE"),
        ({**SMALL, "agents": None}, "agents", "E-FIELD-TYPE"),
        (agent(runner={"backend": "subprocess"}), "agents[0].runner.template", "E-FIELD-MISSING"),
        (agent(lints={"x": "off"}), "agents[0].lints.x", "E-FIELD-CHOICE"),
        (agent(lints=[]), "agents[0].lints", "E-FIELD-TYPE"),
        ({**SMALL, "schema_version": "1.0.0"}, "schema_version", "E-SCHEMA-VERSION"),
        ({**SMALL, "schema_version": "new"}, "schema_version", "E-FIELD-FORM"),
        ({**SMALL, "metadata": {"version_label": "1.0"}}, "metadata.version_label", "E-FIELD-FORM"),
        ({**SMALL, "metadata": {"origin": {"kind": "web"}}}, "metadata.origin.kind", "E-FIELD-CHOICE"),
        ({**SMALL, "strategy": {"strict": True}}, "strategy.strict", "E-FIELD-UNKNOWN"),
        ({**SMALL, "check_policy": "loud"}, "check_policy", "E-FIELD-CHOICE"),
        ({**SMALL, "spawner_hints": {"layers": "audit"}}, "spawner_hints.layers", "E-FIELD-TYPE"),
        (
            {**SMALL, "projection_placement": {"dir_template": "../{task_id}"}},
            "projection_placement.dir_template",
            "E-FIELD-FORM",
        ),
        (
            {**SMALL, "subprocesses": [{"name": "x", "argv": [], "output": {}, "stream_mode": "sse_events"}]},
            "subprocesses[0].stream_mode",
            "E-FIELD-FORM",
        ),
        ({**SMALL, "flow": {"stpe": "a"}}, "flow", "E-NODE-UNKNOWN"),
    ],
)
def test_what_is_refused(document, place, code):
    assert problems_of(document) == [(place, code)]


def test_every_problem_is_reported_in_document_order():
    document = {
        "agents": [{"name": "", "kind": "python"}, {"nam": "x", "kind": "python"}],
        "id": 3,
        "stategy": {},
        "flow": {"step": "a", "out": "$.x"},
    }
    assert problems_of(document) == [
        ("agents[0].name", "E-FIELD-FORM"),
        ("agents[1].nam", "E-FIELD-UNKNOWN"),
        ("agents[1].name", "E-FIELD-MISSING"),
        ("id", "E-FIELD-TYPE"),
        ("stategy", "E-FIELD-UNKNOWN"),
        ("flow", "E-FIELD-MISSING"),
    ]


def test_the_error_is_one_line_that_names_the_remedy():
    with pytest.raises(BlueprintError) as caught:
        parse_blueprint({**SMALL, "agnets": []}, where="bp.yaml")
    assert (
        str(caught.value)
        == "bp.yaml: agnets: E-FIELD-UNKNOWN unknown field 'agnets' (did you mean 'agents'?)"
    )
    with pytest.raises(BlueprintError) as caught:
        parse_blueprint({**SMALL, "schema_version": "1"})
    assert str(caught.value) == (
        "schema_version: E-FIELD-FORM not of the form that this field needs (write it like 1.2.0)"
    )
    with pytest.raises(BlueprintError) as caught:
        parse_blueprint({**SMALL, "id": ""})
    assert str(caught.value) == "id: E-FIELD-FORM expected string of length >= 1"
    with pytest.raises(BlueprintError) as caught:
        parse_blueprint({**SMALL, "agnets": [], "x": 1})
    assert str(caught.value).endswith("(did you mean 'agents'?; and 1 more: `skep lint` shows all)")


def test_what_json_cannot_carry_is_refused():
    with pytest.raises(BadSyntax, match="document: set has no JSON form"):
        parse_blueprint({**SMALL, "default_init_ctx": {1, 2}})
    with pytest.raises(BadSyntax, match="here: set has no JSON form"):
        parse_blueprint({**SMALL, "default_init_ctx": {1, 2}}, where="here")
    with pytest.raises(LimitExceeded, match="max_blueprint_bytes"):
        parse_blueprint({**SMALL, "default_init_ctx": "x" * 1000}, Limits(max_blueprint_bytes=100))
    deep = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(LimitExceeded, match="max_blueprint_depth"):
        parse_blueprint({**SMALL, "default_init_ctx": deep})


def test_reading_adds_to_the_problems_that_are_known():
    known = [Problem("", "E-X", "earlier")]
    assert read_blueprint(SMALL, known) is not None
    assert read_blueprint({}, known) is None
    assert [problem.code for problem in known] == ["E-X", "E-FIELD-MISSING", "E-FIELD-MISSING"]


# -- canonical form and version ----------------------------------------------------------------


def shuffled(value, rng):
    if isinstance(value, dict):
        return {key: shuffled(item, rng) for key, item in rng.sample(list(value.items()), len(value))}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


@settings(max_examples=40)
@given(st.sets(st.sampled_from(sorted(EVERYTHING.keys() - {"id", "flow"}))), st.integers())
def test_the_canonical_form_reads_as_the_same_blueprint_with_the_same_version(fields, seed):
    document = {key: value for key, value in EVERYTHING.items() if key in fields or key in ("id", "flow")}
    blueprint = parse_blueprint(document)
    again = parse_blueprint(canonical_document(blueprint))
    assert again == blueprint
    assert canonical_blueprint(again) == canonical_blueprint(blueprint)
    assert version(parse_blueprint(shuffled(document, random.Random(seed)))) == version(blueprint)  # noqa: S311


def test_the_canonical_form_is_sorted_compact_json_without_defaults():
    written = {
        **SMALL,
        "agents": {"a": {"kind": "rust_fn", "spec": None, "timeout": None}},
        "strategy": {},
        "audits": [],
    }
    assert (
        canonical_blueprint(parse_blueprint(written))
        == json.dumps(
            {
                "agents": [{"kind": "python", "name": "a"}],
                "flow": {
                    "in": {"at": "$.x", "op": "path"},
                    "kind": "step",
                    "out": {"at": "$.y", "op": "path"},
                    "ref": "a",
                },
                "id": "b",
            },
            separators=(",", ":"),
        ).encode()
    )


PUBLISHED = {
    "id": "b",
    "flow": {
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
                    "operands": [
                        {"op": "le", "lhs": {"op": "path", "at": "$.n"}, "rhs": {"op": "lit", "value": 3}},
                        {"op": "not", "operand": {"op": "exists", "at": "$.x"}},
                    ],
                },
                "then": {"kind": "seq", "children": []},
                "else": {
                    "kind": "step",
                    "ref": "a",
                    "in": {"op": "path", "at": "$"},
                    "out": {"op": "path", "at": "$.y"},
                    "retry": {
                        "max_attempts": 2,
                        "backoff": {"initial": 1, "factor": 2.0},
                        "on": ["error", "timeout"],
                    },
                },
            },
        ],
    },
    "agents": [
        {
            "name": "a",
            "kind": "rust_fn",
            "spec": {"fn_id": "identity"},
            "retry": {"on": ["error", "timeout"]},
            "lints": {},
        },
        {"name": "b", "kind": "process", "side_effects": False, "timeout": 5.0},
    ],
    "schema_version": "0.1.0",
}

MODERN = {
    "agents": {
        "b": {"kind": "subprocess", "timeout": 5},
        "a": {"spec": {"fn_id": "identity"}, "kind": "python", "retry": {"max_attempts": 1}},
    },
    "flow": [
        {"let": "$.n", "value": "len([1])"},
        {
            "branch": "$.n <= 3 and not exists($.x)",
            "then": [],
            "else": {"step": "a", "in": "$", "out": "$.y", "retry": {"max_attempts": 2}},
        },
    ],
    "id": "b",
}


def test_every_spelling_of_the_same_thing_has_the_same_version():
    assert parse_blueprint(PUBLISHED) == parse_blueprint(MODERN)
    assert version(parse_blueprint(PUBLISHED)) == version(parse_blueprint(MODERN))


def test_another_thing_has_another_version():
    base = version(parse_blueprint(SMALL))
    assert len(base) == 64
    for change in (
        {"id": "c"},
        {"default_init_ctx": {}},
        {"agents": {"a": "m:f"}},
        {"strategy": {"strict_refs": False}},
    ):
        assert version(parse_blueprint({**SMALL, **change})) != base


def test_a_version_never_changes():
    """Runs in a store are pinned to it: if this fails, recovery of older runs fails too."""
    assert (
        version(parse_blueprint(MODERN)) == "82187a161d4d89b35f42a6c251c1dbcedf6fa35fc81a670f7c2315b516da51f4"
    )
