"""Every YAML block of docs/flow.md is read and linted, so the page cannot fall behind the language."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from skep import host
from skep.flow.blueprint import parse_blueprint
from skep.flow.document import parse_document
from skep.flow.expr_text import FUNCTIONS
from skep.flow.grammar import NODES
from skep.flow.lint import lint
from skep.flow.walk import walk

PAGE = (Path(__file__).parents[2] / "docs" / "flow.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def blueprint(text: str) -> tuple[Any, bool]:
    """The Blueprint that a block is, or whose flow it is; whether it names its own agents."""
    value = parse_document(text.encode(), "yaml").value
    whole = isinstance(value, dict) and "flow" in value
    return (value if whole else {"id": "page", "flow": value}), whole


@pytest.mark.parametrize("text", BLOCKS)
def test_a_block_has_no_problems(text):
    document, whole = blueprint(text)
    assert lint(document, host.standard_catalog(), registered=frozenset() if whole else None) == []


def test_every_node_and_function_is_shown():
    kinds = {type(item) for text in BLOCKS for item, _ in walk(parse_blueprint(blueprint(text)[0]).flow)}
    assert {shape.word for shape in NODES.values() if shape.type not in kinds} == set()
    assert [name for name in FUNCTIONS if f"{name}(" not in PAGE] == []
