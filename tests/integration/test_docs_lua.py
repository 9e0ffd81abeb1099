"""The blocks of docs/lua.md run and print what it says; its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import fields

from skep import run_sync
from skep.errors import LimitExceeded, RunFailed
from skep.flow.lint import lint
from skep.flow.load import load_blueprint
from skep.host import standard_catalog
from skep.lua.limits import DEFAULT_LIMITS, Limits
from skep.lua.runner import Script
from skep.lua.vm import LuaVM

TEXT = (Path(__file__).parents[2] / "docs" / "lua.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\nprints `(.*?)`)?", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [(body, prints) for found, body, prints in BLOCK.findall(TEXT) if found == language]


@pytest.mark.parametrize(("body", "prints"), blocks("python"))
def test_a_python_block_runs_and_prints_what_is_said(body, prints, capsys):
    exec(compile(body, "docs/lua.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own text
    assert capsys.readouterr().out.strip() == prints


def test_the_loop_that_catches_everything_ends():
    [(body, _)] = blocks("lua")
    with pytest.raises(LimitExceeded):
        LuaVM(Limits(wall=0.05)).run(Script(body))


def test_the_worker_in_the_flow_counts(tmp_path):
    [(body, _)] = blocks("yaml")
    (tmp_path / "b.yaml").write_text(body)
    loaded = load_blueprint(tmp_path / "b.yaml")
    assert lint(loaded.blueprint, standard_catalog()) == []
    assert run_sync(loaded, {"text": "two words"})["words"] == 2
    with pytest.raises(RunFailed, match="blocked"):
        run_sync(loaded, {"text": ""})


def test_every_limit_is_named_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,.]+)", TEXT, re.MULTILINE))
    for field in fields(Limits):
        default = getattr(DEFAULT_LIMITS, field.name)
        if field.name in {"memory", "output", "source"}:
            default >>= 20
        assert float(rows[field.name].replace(",", "")) == default


TABLE = TEXT.partition("## What a script sees")[2].partition("`print` goes")[0]


def visible(profile):
    source = """
    local names = {}
    for name, value in pairs(_G) do
      names[#names + 1] = name
      if (name == 'os' or name == 'io' or name == 'debug') then
        for inner in pairs(value) do names[#names + 1] = name .. '.' .. inner end
      end
    end
    return names"""
    return set(LuaVM(profile=profile).run(Script(source)))


def test_the_table_names_what_only_the_trusted_see():
    beyond = visible("trusted") - visible("untrusted") - {"io", "debug", "io.type"}
    assert beyond <= set(re.findall(r"[\w.]+", TABLE))
    assert not visible("untrusted") - visible("trusted")
