"""`skep lint --explain`: in which order a spawn passes the layers."""

from __future__ import annotations

import json

import pytest

from skep.cli.lint import lint

BLUEPRINT = """
id: hive
agents: {a: {kind: python, spec: {fn_id: identity}}, b: {kind: operator, spec: {operator_ref: desk}}}
operators: [{name: desk}]
metadata: {project_name_alias: bees}
spawner_hints: {layers: [%s]}
flow: [{step: a, in: $, out: $.a}, {step: b, in: $.a, out: $.b}]
"""


@pytest.fixture
def explained(tmp_path, capsys):
    def explain(layers, **options):
        file = tmp_path / "b.yaml"
        file.write_text(BLUEPRINT % layers)
        code = lint(str(file), **{"explain": True, **options})
        return code, capsys.readouterr().out

    return explain


def test_the_call_order_is_printed_once_for_agents_that_have_the_same(explained):
    code, text = explained("audit, {long_hold: {default_hold: 5}}")
    lines = [line.split() for line in text.splitlines()]
    at = next(number for number, line in enumerate(lines) if line[:3] == ["A", "spawn", "passes"])
    assert [line[:2] for line in lines[at + 1 : at + 4]] == [
        ["project_name_alias", "alias"],
        ["long_hold", "hint"],
        ["audit", "hint"],
    ]
    assert lines[at + 2][-2:] == ['{"default_hold":', "5}"]
    assert lines[at + 4] == ["around", "a", "(python),", "b", "(operator)"]
    assert code == 0


def test_of_a_script_the_beginning_is_shown(explained):
    _, text = explained("{lua: {before: {source: 'return function() error(%s) end', name: g}}}" % ("9" * 60))
    [line] = [line for line in text.splitlines() if line.startswith("  lua ")]
    assert line.endswith('{"before": {"source": "return function() error(%s...", "name": "g"}}' % ("9" * 33))


def test_an_order_that_disables_a_layer_is_explained(explained):
    _, text = explained("main_ai, operator_delegate")
    assert "W-HINT-ORDER layer 'main_ai' is never called under 'operator_delegate'" in text
    assert "\nW-HINT-ORDER: " in text


def test_for_machines_it_stands_beside_the_problems(explained):
    code, text = explained("audit", as_json=True)
    found = json.loads(text)
    assert found["ok"] is (code == 0) is True
    assert [calls["agent"] for calls in found["call_order"]] == ["a", "b"]
    assert [call["key"] for call in found["call_order"][0]["layers"]] == ["project_name_alias", "audit"]
    assert "call_order" not in json.loads(explained("audit", as_json=True, explain=False)[1])


def test_what_cannot_be_read_has_no_order(explained):
    code, text = explained("5", as_json=True)
    assert code != 0
    assert "call_order" not in json.loads(text)
