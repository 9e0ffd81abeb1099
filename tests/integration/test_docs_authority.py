"""docs/authority.md says what the table of acts says, and its examples run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from skep.core.authority import ACTS
from skep.core.profiles import NAMES
from skep.core.roles import GATE, ROLES, VERBS
from skep.core.scopes import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "authority.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHELL = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def section(title):
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_matrix_is_that_of_the_table():
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", section("Roles and verbs"), re.MULTILINE)
    assert {verb for verb, _ in rows} == VERBS
    for verb, row in rows:
        *allowed, acts = (cell.strip() for cell in row.split("|"))
        assert allowed == ["yes" if verb in GATE[role] else "" for role in ROLES], verb
        assert set(re.findall(r"`(\w+)`", acts)) == {act.name for act in ACTS.values() if act.verb == verb}


def test_every_profile_and_kind_is_described():
    assert set(re.findall(r"^\| `([\w:]+)` \|", section("Profiles"), re.MULTILINE)) == set(NAMES)
    for kind in KINDS:
        assert f"`{kind}`" in section("Scopes")


def test_there_are_examples():
    assert len(PYTHON) == PAGE.count("```python\n") == 3
    assert len(SHELL) == 1


@pytest.mark.parametrize(("code", "printed"), PYTHON)
def test_an_example_prints_what_stands_below_it(tmp_path, code, printed):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == printed


@pytest.mark.parametrize("block", SHELL)
def test_the_commands_run(skep, block):
    run = f'skep() {{ "{sys.executable}" -m skep "$@"; }}\nset -e\n{block}'
    done = subprocess.run(
        ["sh", "-c", run],
        cwd=skep.folder,
        env=skep.env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "ada" in done.stdout
    assert (skep.folder / "token").read_text().startswith("ey")
