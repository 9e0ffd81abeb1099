"""Every block of the README is a test, and so is every claim about a file in it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skep import RunFailed, load_blueprint, run_sync
from skep.flow.lint import lint
from skep.host import standard_catalog

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [body for found, body in BLOCK.findall(README) if found == language]


def test_every_block_is_of_a_language_that_is_tested():
    assert {language for language, _ in BLOCK.findall(README)} == {"sh", "python", "yaml"}


def test_the_python_block_runs_and_says_what_it_should(tmp_path):
    (block,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ast.literal_eval(done.stdout) == {"words": ["hive", "skep"], "lengths": [4, 4], "longest": 4}
    assert (tmp_path / "swarm.db").exists()
    assert len([line for line in block.splitlines() if line.strip()]) <= 24


def test_the_yaml_block_lints_clean_and_runs(tmp_path):
    (block,) = blocks("yaml")
    (tmp_path / "blueprint.yaml").write_text(block)
    (tmp_path / "agents.py").write_text(
        "def words(text: str) -> list[str]:\n    return sorted(set(text.split()))\n"
    )
    loaded = load_blueprint(tmp_path / "blueprint.yaml")
    assert lint(loaded.blueprint, standard_catalog()) == []
    result = run_sync(loaded, {"text": "b a b"}, work_dir=tmp_path)
    assert result["words"] == ["a", "b"]
    assert result["counts"] == [1, 1]
    assert result["verdict"] == "short"
    with pytest.raises(RunFailed):
        run_sync(loaded, {}, work_dir=tmp_path)


def test_the_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for command in re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE):
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command


def test_every_link_leads_somewhere():
    for document in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
    ]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document}: {target}"


def test_the_house_names_files_that_exist():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"`((?:core|flow|engine|journal|workers)/[\w./]+)`", text):
        assert (ROOT / "src" / "skep" / name).exists(), name


def test_the_skep_commands_that_the_readme_names_exist():
    words = set(re.findall(r"`skep (\w+)", README))
    listed = subprocess.run(
        [sys.executable, "-m", "skep", "--help"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert words
    for word in words:
        assert re.search(rf"\b{word}\b", listed), word
