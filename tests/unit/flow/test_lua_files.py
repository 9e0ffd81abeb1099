"""Lua by file: part of the version, inside the folder, not for strangers."""

from __future__ import annotations

import pytest

from skep.errors import BlueprintError
from skep.flow.lint import lint
from skep.flow.load import load_blueprint
from skep.flow.version import version
from skep.host import standard_catalog
from skep.layers.standard import standard_layers

TEXT = """
id: gated
agents:
  - {name: work, kind: lua, spec: {file: work.lua}}
spawner_hints:
  layers:
    - lua: {before: {file: hooks/gate.lua}}
    - lua: {after: {file: hooks/gate.lua, name: second}, on_error: keep}
    - audit
flow:
  - step: work
    in: $.text
    out: $.said
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "gate.lua").write_text("return function() end")
    (tmp_path / "work.lua").write_text("return 1")
    (tmp_path / "blueprint.yaml").write_text(TEXT)
    return tmp_path


def test_the_text_takes_the_place_of_the_file(folder):
    blueprint = load_blueprint(folder / "blueprint.yaml").blueprint
    assert blueprint.agents[0].spec == {"source": "return 1", "name": "work.lua"}
    gate = {"source": "return function() end", "name": "hooks/gate.lua"}
    assert [hint.options for hint in blueprint.spawner_hints.layers] == [
        {"before": gate},
        {"after": {**gate, "name": "second"}, "on_error": "keep"},
        {},
    ]
    assert lint(blueprint, standard_catalog()) == []
    assert lint(blueprint, standard_catalog(), trust="untrusted") == []


@pytest.mark.parametrize("file", ["work.lua", "hooks/gate.lua"])
def test_another_text_is_another_version(folder, file):
    before = version(load_blueprint(folder / "blueprint.yaml").blueprint)
    assert version(load_blueprint(folder / "blueprint.yaml").blueprint) == before
    (folder / file).write_text("-- changed")
    assert version(load_blueprint(folder / "blueprint.yaml").blueprint) != before


@pytest.mark.parametrize(
    "path", ["../outside.lua", "/etc/passwd", "missing.lua", "hooks", "linked.lua", "'\\0'", "7", "[a]"]
)
def test_a_file_stays_inside_the_folder(folder, path):
    (folder.parent / "outside.lua").write_text("return 'secret'")
    (folder / "linked.lua").symlink_to(folder.parent / "outside.lua")
    (folder / "blueprint.yaml").write_text(TEXT.replace("file: work.lua", f"file: {path}"))
    with pytest.raises(BlueprintError, match=r"agents\[0\]\.spec\.file.*E-FILE"):
        load_blueprint(folder / "blueprint.yaml")


def test_a_file_that_is_no_text_and_one_beside_a_source(folder):
    (folder / "work.lua").write_bytes(b"\x1bLua\xff")
    with pytest.raises(BlueprintError, match="E-SYNTAX"):
        load_blueprint(folder / "blueprint.yaml")
    (folder / "blueprint.yaml").write_text(TEXT.replace("file: work.lua", "file: work.lua, source: x"))
    with pytest.raises(BlueprintError, match="source beside it"):
        load_blueprint(folder / "blueprint.yaml")


DOCUMENT = {
    "id": "t",
    "agents": [{"name": "work", "kind": "lua", "spec": {"file": "work.lua"}}],
    "spawner_hints": {"layers": [{"lua": {"before": {"file": "gate.lua"}}}]},
    "flow": {"kind": "seq", "children": []},
}
PLACES = {"agents[0].spec", "spawner_hints.layers[0].lua.before"}


@pytest.mark.parametrize(("trust", "code"), [("trusted", "E-FILE"), ("untrusted", "E-TRUST")])
def test_a_document_without_a_folder_names_no_file(trust, code):
    problems = lint(DOCUMENT, standard_catalog(), trust=trust)
    assert {problem.place for problem in problems if problem.code == code} == PLACES


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ("", "E-FIELD-MISSING")),
        ({"before": {}}, (".lua.before", "E-FIELD-MISSING")),
        ({"before": "return 1"}, (".lua.before", "E-FIELD-TYPE")),
        ({"before": {"source": 1}}, (".lua.before.source", "E-FIELD-TYPE")),
        ({"before": {"source": ""}, "on_error": "ignore"}, (".lua.on_error", "E-FIELD-CHOICE")),
        ({"before": {"source": ""}, "pool": 1}, (".lua.pool", "E-FIELD-UNKNOWN")),
    ],
)
def test_bad_options(options, found):
    document = {**DOCUMENT, "agents": [], "spawner_hints": {"layers": [{"lua": options}]}}
    [problem] = lint(document, standard_catalog())
    at = "spawner_hints.layers[0]"
    assert (problem.place.removeprefix(at), problem.code) == found


def test_where_is_only_for_the_trusted():
    options = {"before": {"source": ""}, "where": "thread"}
    document = {**DOCUMENT, "agents": [], "spawner_hints": {"layers": [{"lua": options}]}}
    assert lint(document, standard_catalog(standard_layers())) == []
    [problem] = lint(document, standard_catalog(), trust="untrusted")
    assert (problem.place, problem.code) == ("spawner_hints.layers[0].lua.where", "E-TRUST")
