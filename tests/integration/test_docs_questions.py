"""The examples of docs/questions.md run and say what they should."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from skep.flow.lint import lint
from skep.flow.load import load_blueprint
from skep.host import standard_catalog

TEXT = (Path(__file__).parents[2] / "docs" / "questions.md").read_text()


def block(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[0]


def test_the_flow_that_asks_lints_clean(tmp_path):
    (tmp_path / "b.yaml").write_text(block("yaml"))
    assert lint(load_blueprint(tmp_path / "b.yaml").blueprint, standard_catalog()) == []


def test_the_worker_that_asks_is_answered(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block("python")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ast.literal_eval(done.stdout) == {"text": "draft", "senior": "yes"}
