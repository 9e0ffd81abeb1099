"""The example of docs/lua-isolation.md runs and says what the text says; every wall and error is named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from msgspec.structs import fields

from skep.lua.isolation.hardening import hardening
from skep.lua.limits import Limits

TEXT = (Path(__file__).parents[2] / "docs" / "lua-isolation.md").read_text()


def test_the_example_runs_and_prints_what_the_text_says():
    [block] = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], capture_output=True, text=True, check=True, timeout=60
    )
    first, second, third, fourth = done.stdout.splitlines()
    assert first == "True"
    assert "strange.lua:1: no" in second
    assert third == "strange.lua: limit wall of 0.5 exceeded"
    assert fourth == "None"


def test_every_limit_that_a_call_can_meet_is_named():
    limits = {field.name for field in fields(Limits)} - {"chunks"}
    assert limits <= set(re.findall(r"\w+", TEXT))


def test_doctor_has_a_line_for_each_wall_that_the_text_names():
    for name in hardening():
        assert name.lower() in TEXT.lower()
