"""The examples of docs/questions.md run and say what they should."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skep.flow.lint import lint
from skep.flow.load import load_blueprint
from skep.host import standard_catalog

TEXT = (Path(__file__).parents[2] / "docs" / "questions.md").read_text()


def block(language, number=0):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[number]


def output(script, folder):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@pytest.mark.parametrize("number", [0, 1])
def test_the_flows_lint_clean(tmp_path, number):
    (tmp_path / "b.yaml").write_text(block("yaml", number))
    assert lint(load_blueprint(tmp_path / "b.yaml").blueprint, standard_catalog()) == []


def test_the_worker_that_asks_is_answered(tmp_path):
    assert ast.literal_eval(output(block("python"), tmp_path)) == {"text": "draft", "senior": "yes"}


def test_the_work_of_an_operator_is_claimed_and_completed(tmp_path):
    assert output(block("python", 1), tmp_path) == "2 + 2 = 4\npass\n"
