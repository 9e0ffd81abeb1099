from __future__ import annotations

import json

import pytest

from skep.errors import BlueprintError, LimitExceeded
from skep.flow.load import load_blueprint
from skep.flow.problems import Problem
from skep.flow.version import version
from skep.limits import Limits

YAML = """\
id: review
agents:
  gate:
    $agent_md: agents/gate.md
    kind: subprocess
    spec: {program: cat, args: [{$file: prompts/long.txt}]}
  plain:
    $agent_md: agents/plain.md
flow:
  - step: gate
    in: $.topic
    out: $.verdict
  - branch: $.verdict == 'pass'
    then:
      step: plain
      in: $
      out: $.text
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "agents/gate.md").write_text("---\nname: gate\nmodel: m\n---\nBe strict.\n")
    (tmp_path / "agents/plain.md").write_text("---\nname: plain\n---\nBe kind.\n")
    (tmp_path / "prompts/long.txt").write_text("{$file: not expanded again}")
    (tmp_path / "bp.yaml").write_text(YAML)
    return tmp_path


def refusal(path, **limits):
    with pytest.raises((BlueprintError, LimitExceeded)) as caught:
        load_blueprint(path, Limits(**limits))
    return str(caught.value)


def test_references_are_expanded(folder):
    loaded = load_blueprint(folder / "bp.yaml")
    assert loaded.base_dir == folder
    assert loaded.path == folder / "bp.yaml"
    gate, plain = loaded.blueprint.agents
    assert gate.kind == "subprocess"
    assert gate.spec == {"program": "cat", "args": ["{$file: not expanded again}"]}
    assert (gate.profile.system_prompt, gate.profile.model) == ("Be strict.\n", "m")
    assert plain.kind == "operator"


def test_an_agent_file_takes_the_default_kind_of_its_blueprint(folder):
    (folder / "bp.yaml").write_text("default_agent_kind: agent_block\n" + YAML)
    assert [agent.kind for agent in load_blueprint(folder / "bp.yaml").blueprint.agents] == [
        "subprocess",
        "agent",
    ]


def test_fields_beside_an_agent_file_win_shallowly(folder):
    document = {
        "id": "x",
        "agents": [{"$agent_md": "agents/gate.md", "name": "other", "profile": {"effort": "low"}}],
        "flow": [],
    }
    (folder / "bp.json").write_text(json.dumps(document))
    (agent,) = load_blueprint(folder / "bp.json").blueprint.agents
    assert (agent.name, agent.profile.system_prompt, agent.profile.effort) == ("other", "", "low")


def test_the_version_is_that_of_what_the_files_hold(folder):
    before = version(load_blueprint(folder / "bp.yaml").blueprint)
    assert version(load_blueprint(folder / "bp.yaml").blueprint) == before
    (folder / "agents/plain.md").write_text("---\nname: plain\n---\nBe kinder.\n")
    assert version(load_blueprint(folder / "bp.yaml").blueprint) != before


def test_json_and_yaml_of_the_same_document_have_the_same_version(folder):
    plain = load_blueprint(folder / "bp.yaml")
    (folder / "bp.json").write_text(json.dumps(plain.document.value))
    assert version(load_blueprint(folder / "bp.json").blueprint) == version(plain.blueprint)


def test_a_linked_blueprint_lives_where_it_really_lies(folder, tmp_path_factory):
    link = tmp_path_factory.mktemp("elsewhere") / "linked.yml"
    link.symlink_to(folder / "bp.yaml")
    assert load_blueprint(link).base_dir == folder


def test_problems_have_the_line_of_the_file(folder):
    (folder / "bp.yaml").write_text(YAML.replace("out: $.text", "otu: $.text"))
    with pytest.raises(BlueprintError) as caught:
        load_blueprint(folder / "bp.yaml")
    assert [problem.line for problem in caught.value.problems] == [17, 14]
    assert str(caught.value).startswith(f"{folder}/bp.yaml:17: flow[1].then.otu: E-FIELD-UNKNOWN")


def test_problems_found_later_get_their_lines_too(folder):
    loaded = load_blueprint(folder / "bp.yaml")
    places = {
        "flow.children[1].then.ref": 15,
        "flow.children[1].cond": 13,
        "flow.children[1].else": 13,
        "flow.children[7]": 9,
        "agents[1].profile.system_prompt": 7,
        "agents[0].spec.program": 6,
        "id": 1,
        "audits[0]": 1,
        "": 1,
    }
    problems = [Problem(place, "E-X", "x") for place in places]
    assert {problem.place: problem.line for problem in loaded.located(problems)} == places


def test_problems_are_listed_in_the_order_of_the_file(folder):
    loaded = load_blueprint(folder / "bp.yaml")
    problems = [Problem(place, "E-X", "x") for place in ("flow.children[1]", "id", "agents[0]", "audits")]
    assert [problem.place for problem in loaded.located(problems)] == [
        "id",
        "audits",
        "agents[0]",
        "flow.children[1]",
    ]


def test_lines_of_fields_under_a_word_and_of_a_word_that_holds_its_field(folder):
    (folder / "bp.yaml").write_text(
        "id: x\nflow:\n  seq:\n    - loop:\n        counter: $.n\n        cond: $.go\n        max: 1\n"
        "        body:\n          let: $.x\n          value: 1\n"
    )
    loaded = load_blueprint(folder / "bp.yaml")
    places = {"flow.children[0].cond": 6, "flow.children[0].body.at": 9, "flow.children[0].body.value": 10}
    assert {place: loaded.located([Problem(place, "E-X", "x")])[0].line for place in places} == places


def test_json_has_no_lines(folder):
    (folder / "bp.json").write_text('{"id": "x", "flow": []}')
    loaded = load_blueprint(folder / "bp.json")
    assert loaded.located([Problem("flow", "E-X", "x")])[0].line is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id: x\nid: y\n", "bp.yaml:2: key id stands twice"),
        ("- a\n", "bp.yaml:1: E-FIELD-TYPE expected a Blueprint, got array"),
        (
            "id: x\nflow: []\nagnets: []\n",
            "bp.yaml:3: agnets: E-FIELD-UNKNOWN unknown field 'agnets' (did you mean 'agents'?)",
        ),
        ("id: {$file: 3}\nflow: []\n", "bp.yaml:1: id.$file: E-FILE expected a relative path, got number"),
        (
            "id: {$file: a, b: 1}\nflow: []\n",
            "bp.yaml:1: id: E-FILE $file has 'b' beside it (a $file stands alone)",
        ),
        (
            "id: {$file: none.txt}\nflow: []\n",
            "E-FILE cannot read 'none.txt': no such file or directory (check its name)",
        ),
        (
            "agents: [{$agent_md: prompts/long.txt}]\nid: x\nflow: []\n",
            "E-SYNTAX prompts/long.txt: no frontmatter",
        ),
    ],
)
def test_what_is_refused(folder, content, message):
    (folder / "bp.yaml").write_text(content)
    assert message in refusal(folder / "bp.yaml")


def test_every_bad_reference_is_reported(folder):
    (folder / "bp.yaml").write_text("id: {$file: a}\nflow: []\nagents: [{$agent_md: b}, {$agent_md: ../c}]\n")
    with pytest.raises(BlueprintError) as caught:
        load_blueprint(folder / "bp.yaml")
    assert [(problem.place, problem.line) for problem in caught.value.problems] == [
        ("id.$file", 1),
        ("agents[0].$agent_md", 3),
        ("agents[1].$agent_md", 3),
    ]


def test_files_that_cannot_be_blueprints(folder):
    assert refusal(folder / "bp.toml").endswith("unknown format '.toml' (name the file .json, .yaml, .yml)")
    assert "no such file" in refusal(folder / "none.yaml")
    (folder / "dir.yaml").mkdir()
    assert refusal(folder / "dir.yaml").endswith(
        "is not a regular file (name a file, not a folder or a pipe)"
    )


def test_the_size_counts_what_is_referred_to(folder):
    assert "max_blueprint_bytes" in refusal(folder / "bp.yaml", max_blueprint_bytes=300)
    (folder / "bp.yaml").write_text(
        "id: x\nflow: []\ndefault_init_ctx: [" + "{$file: prompts/long.txt}, " * 10 + "]\n"
    )
    assert load_blueprint(folder / "bp.yaml", Limits(max_blueprint_bytes=600)).blueprint.id == "x"
    assert "max_blueprint_bytes" in refusal(folder / "bp.yaml", max_blueprint_bytes=400)
