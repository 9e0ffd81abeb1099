from __future__ import annotations

import json

import pytest

from skep.cli import exits
from skep.cli.report import reported, result_lines
from skep.errors import RunNotFound


def test_a_result_is_shown_by_its_members_each_on_a_line():
    assert result_lines({"files": 3, "worst": "a.py", "lanes": [1]}) == [
        "  files  3",
        "  worst  a.py",
        "  lanes  [1]",
    ]


def test_a_large_result_is_cut():
    lines = result_lines({f"k{n}": "x" * 10_000 for n in range(100)})
    assert lines[-1] == "  … 80 more"
    assert max(map(len, lines)) < 250


def test_a_result_cannot_drive_the_terminal():
    assert result_lines({"a\x1b": "\x1b]0;title\x07"}) == ["  a\\x1b  \\x1b]0;title\\x07"]


def test_an_error_before_there_is_a_run_is_an_object_too(capsys):
    with pytest.raises(RunNotFound), reported(as_json=True):
        raise RunNotFound("no run 'x'")
    found = json.loads(capsys.readouterr().out)
    assert found["run_id"] is None
    assert found["status"] == "failed"
    assert found["error"]["code"] == "E-RUN-NOT-FOUND"


@pytest.mark.parametrize(
    ("status", "code"),
    [("done", 0), ("failed", 1), ("timeout", 3), ("suspended", 4), ("cancelled", 130), ("interrupted", 1)],
)
def test_exit_codes(status, code):
    assert exits.of_status(status) == code
