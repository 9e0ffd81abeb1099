"""The examples of docs/layers.md run and say what they should, and its table knows every layer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from skep import run_sync
from skep.cli.lint import lint as lint_command
from skep.flow.lint import lint
from skep.flow.load import load_blueprint
from skep.host import standard_catalog
from skep.layers.standard import standard_layers

TEXT = (Path(__file__).parents[2] / "docs" / "layers.md").read_text()


def block(language, number=0):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[number]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_flows_lint_clean(tmp_path, number):
    (tmp_path / "b.yaml").write_text(block("yaml", number))
    assert lint(load_blueprint(tmp_path / "b.yaml").blueprint, standard_catalog()) == []


def test_the_call_order_is_what_lint_prints(tmp_path, capsys):
    (tmp_path / "b.yaml").write_text(block("yaml"))
    assert lint_command(str(tmp_path / "b.yaml"), explain=True) == 0
    assert block("text") in capsys.readouterr().out


@pytest.mark.parametrize(("number", "said"), [(0, "poor, mended\n"), (1, "hello, bee\n"), (2, "HELLO BEE\n")])
def test_the_programs_say_what_they_should(capsys, number, said):
    exec(compile(block("python", number), "docs/layers.md", "exec"), {"__name__": "example"})  # noqa: S102 - our own text
    assert capsys.readouterr().out == said


def test_the_hooks_of_the_lua_flow_do_as_they_say(tmp_path):
    (tmp_path / "b.yaml").write_text(block("yaml", 2))
    result = run_sync(load_blueprint(tmp_path / "b.yaml"), {"text": "x"})
    assert result["said"]["by"] == "echo"
    assert result["said"]["said"]["echoed"] == "x"


def test_the_table_has_every_layer_that_may_be_listed():
    table = TEXT.partition("## The layers")[2].partition("###")[0]
    rows = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert rows == {info.key for info in standard_layers().hints()}
