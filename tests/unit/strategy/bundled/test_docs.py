"""The table of docs/strategies-bundled.md, held to the packages."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest

from bundled_plays import PLAYS
from bundled_strategies import drive
from skep.strategy import StrategyHost
from skep.strategy.bundled import BUNDLED
from skep.strategy.packages.meta import read_meta
from skep.testing.aio import run

PAGE = (Path(__file__).parents[4] / "docs" / "strategies-bundled.md").read_text()
ROWS = {
    row[0]: row[1:]
    for row in re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
}
PAPER = re.compile(r"arXiv:(\d{4}\.\d{5})|doi:(\S+\w)")


@functools.cache
def package(name: str) -> dict[str, Any]:
    async def go() -> Any:
        async with StrategyHost() as host:
            return await host.eval_simple(
                f"local M = require('{name}')"
                " return {meta = M.meta, input = M.spec.entries.run.input.fields}"
            )

    return run(go())


def options(name: str) -> dict[str, dict[str, Any]]:
    return {
        option: shape
        for option, shape in sorted(package(name)["input"].items())
        if option not in {"task", "llm"}
    }


def told(option: str, shape: dict[str, Any]) -> str:
    """An option as the table shows it: its default, and between which numbers it may lie."""
    default = shape.get("default")
    if isinstance(default, bool):
        return f"`{option}` {str(default).lower()}"
    if isinstance(default, int | float):
        return f"`{option}` {default} ({shape['min']} to {shape['max']})"
    return f"`{option}`"


def test_every_package_has_a_row_and_every_row_a_package():
    assert list(ROWS) == sorted(PLAYS)


@pytest.mark.parametrize("name", PLAYS)
def test_a_row_says_what_the_package_says(name):
    description, _, listed, papers = ROWS[name]
    meta = package(name)["meta"]
    assert (meta["name"], meta["description"]) == (name, description)
    assert re.fullmatch(r"\d+\.\d+\.\d+", meta["version"])
    assert meta["category"]
    assert listed == (", ".join(told(*option) for option in options(name).items()) or "-")
    said = read_meta((BUNDLED / name / "init.lua").read_text())
    assert said.fields == meta
    cited = [arxiv or doi for arxiv, doi in PAPER.findall(said.docstring.replace("\n", " "))]
    assert cited
    assert [paper for paper in cited if paper not in papers] == []


@pytest.mark.parametrize("name", PLAYS)
def test_a_row_says_how_many_calls_are_made(name):
    play = PLAYS[name]
    values = {option: shape.get("default") for option, shape in options(name).items()}
    formula = ROWS[name][1].strip("`")
    expected = eval(formula, {"sum": sum}, {**values, **play.known})  # noqa: S307 - a formula of our own page
    assert len(drive(name, play.answers, task="a task", **play.ctx).asked) == expected


def test_every_option_is_explained():
    explained = set(re.findall(r"`(\w+)`", PAGE.split("## Options")[1].split("\n## ")[0]))
    assert {option for name in PLAYS for option in package(name)["input"]} - explained == {"task", "llm"}


def test_the_python_example_prints_what_the_page_says(capsys):
    code = re.search(r"```python\n(.*?)```\n\nprints `(.*?)`", PAGE, re.DOTALL)
    assert code
    exec(code[1], {})  # noqa: S102 - an example of our own page
    assert capsys.readouterr().out.strip() == code[2]


def test_the_package_of_the_page_runs(tmp_path):
    source = re.findall(r"```lua\n(.*?)```", PAGE, re.DOTALL)[0]
    (tmp_path / "twice.lua").write_text(source)
    assert drive("twice", ["one", "two"], folders=[tmp_path], task="t").result == {"answer": "two"}
