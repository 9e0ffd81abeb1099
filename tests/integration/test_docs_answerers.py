"""The blocks of docs/answerers.md run and print what it says; its tables and forms are those of the code."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from skep.strategy.answerers import endpoint, model
from skep.strategy.answerers.base import query_json
from skep.strategy.queries import Query

TEXT = (Path(__file__).parents[2] / "docs" / "answerers.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\nprints `(.*?)`\n)?", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [(body, prints) for found, body, prints in BLOCK.findall(TEXT) if found == language]


@pytest.mark.parametrize(("body", "prints"), blocks("python"))
def test_a_block_runs_and_prints_what_is_said(body, prints, capsys):
    exec(compile(body, "docs/answerers.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own text
    assert capsys.readouterr().out.strip() == prints


def test_the_query_is_told_as_is_said():
    [(body, _)] = blocks("json")
    assert json.loads(body) == query_json(
        Query(id="q1-0", prompt="Why?", system="Be brief.", options={"temperature": 0})
    )


def test_every_error_of_a_model_is_named():
    source = inspect.getsource(endpoint) + inspect.getsource(model)
    source = source.replace("{'unavailable' if unavailable else 'refused'}", "refused")
    coded = set(re.findall(r'f"(model_\w+): ', source)) | {"model_unavailable"}
    assert set(re.findall(r"^\| `(model_\w+)`", TEXT, re.MULTILINE)) == coded
