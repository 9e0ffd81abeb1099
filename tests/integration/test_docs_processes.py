"""The example of docs/processes.md runs, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import fields

from skep import load_blueprint, run_sync
from skep.flow.lint import lint
from skep.flow.process_templates import PLACEHOLDERS
from skep.host import standard_catalog
from skep.workers.process.environment import ALLOWED
from skep.workers.process.spec import ProcessSpec

TEXT = (Path(__file__).parents[2] / "docs" / "processes.md").read_text()


def test_the_example_lints_clean_and_runs(tmp_path):
    [block] = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "b.yaml").write_text(block)
    loaded = load_blueprint(tmp_path / "b.yaml")
    assert lint(loaded.blueprint, standard_catalog()) == []
    assert run_sync(loaded, {"text": "three small words"}, work_dir=tmp_path)["words"] == 3


def test_every_field_placeholder_and_variable_is_named():
    named = set(re.findall(r"[\w-]+", TEXT))
    assert {field.encode_name for field in fields(ProcessSpec)} <= named
    assert set(PLACEHOLDERS) <= named
    assert set(ALLOWED) <= named
