from __future__ import annotations

import pytest

from skep.flow.blueprint import parse_blueprint
from skep.flow.catalog import Catalog
from skep.flow.context import declared_context, declares_context, policy_of
from skep.flow.lint import lint

FLOW = {"step": "a", "in": "$", "out": "$.out"}


def parsed(meta=None, **fields):
    agents = [{"name": "a", "kind": "python", "meta": meta}]
    return parse_blueprint({"id": "b", "flow": FLOW, "agents": agents, **fields})


def codes(blueprint, registered=frozenset()):
    problems = lint(blueprint, Catalog.permissive(), registered=registered)
    return [(problem.code, problem.place) for problem in problems]


def test_the_nearest_tier_wins_by_key():
    blueprint = parsed(
        {"meta_ref": "shared", "ctx": {"c": 3}},
        metas=[{"name": "shared", "ctx": {"b": 2, "c": 2}}, {"name": "other", "ctx": {"a": 9}}],
        default_agent_ctx={"a": 1, "b": 1, "c": 1},
    )
    assert declared_context(blueprint.agents[0], blueprint) == {"a": 1, "b": 2, "c": 3}


def test_an_agents_policy_replaces_the_blueprints_whole():
    policies = {"default_context_policy": {"include": ["a"]}}
    blueprint = parsed(None, **policies)
    assert policy_of(blueprint.agents[0], blueprint).include == ("a",)
    blueprint = parsed({"context_policy": {"exclude": ["b"]}}, **policies)
    policy = policy_of(blueprint.agents[0], blueprint)
    assert (policy.include, policy.exclude) == (None, ("b",))


@pytest.mark.parametrize(
    ("meta", "fields", "declares"),
    [
        (None, {}, False),
        ({"description": "d"}, {"metas": [{"name": "shared", "ctx": {"b": 2}}]}, False),
        ({"ctx": {"a": 1}}, {}, True),
        ({"context_policy": {"include": []}}, {}, True),
        (None, {"default_agent_ctx": {"a": 1}}, True),
        (None, {"default_context_policy": {"exclude": ["run_id"]}}, True),
    ],
)
def test_whether_anything_is_declared(meta, fields, declares):
    blueprint = parsed(meta, **fields)
    assert declares_context(blueprint.agents[0], blueprint) is declares


def test_a_payload_that_nobody_declares_is_an_error_and_steps_have_no_effect_yet():
    blueprint = parsed({"meta_ref": "shard", "context_policy": {"steps": []}}, metas=[{"name": "shared"}])
    assert set(codes(blueprint)) == {
        ("W-NOT-YET", "agents[0].meta.context_policy.steps"),
        ("E-META-REF", "agents[0].meta.meta_ref"),
    }


def test_an_auditor_that_is_nobody_is_an_error_and_async_is_not_yet():
    audits = {"audits": [{"agent": "nobody", "mode": "sync"}, {"agent": "code"}]}
    found = codes(parsed(None, **audits), frozenset({"code"}))
    assert set(found) == {("E-AUDIT-REF", "audits[0].agent"), ("W-NOT-YET", "audits[1].mode")}
