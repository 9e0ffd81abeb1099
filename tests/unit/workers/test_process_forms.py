from __future__ import annotations

import math
import sys

import pytest

from skep.errors import BlueprintError, ConfigError
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.process.spawner import ProcessSpawner
from skep.workers.process.streams import StreamMode


async def finals(spawner, given):
    attempt = FakeAttempt()
    await (await spawner.spawn(make_ctx(given, channel=attempt))).join()
    return attempt.finals


def settings(spawner):
    return spawner._settings


def test_each_form_is_a_changed_copy():
    base = ProcessSpawner("tool", ["-a"], cwd="sub", env={"A": "1"}, timeout=3)
    before = settings(base)
    forms = {
        base.arg("x"): {"args": ("-a", "x")},
        base.args("x", "y"): {"args": ("-a", "x", "y")},
        base.use_stdin(False): {"use_stdin": False},
        base.ndjson(): {"stream_mode": StreamMode.NDJSON_LINES},
        base.stream_mode(StreamMode.SSE_EVENTS): {"stream_mode": StreamMode.SSE_EVENTS},
    }
    for form, changed in forms.items():
        assert form is not base
        for name in before.__struct_fields__:
            assert getattr(settings(form), name) == changed.get(name, getattr(before, name))
    assert settings(base) == before
    assert settings(base.ndjson().plain()) == before
    assert settings(base.ndjson().ndjson(v=False)) == before
    assert settings(base.use_stdin(False).use_stdin()) == before


@in_loop
async def test_a_line_for_the_shell_gets_its_prompt_by_stdin():
    assert await finals(ProcessSpawner.run("read name; echo hello $name | tr a-z A-Z"), "$(id)\n") == [
        ({"raw": "HELLO $(ID)", "stderr": ""}, True)
    ]


@in_loop
async def test_a_program_with_arguments():
    show = (
        ProcessSpawner.cmd(sys.executable).arg("-c").arg("import json, sys; print(json.dumps(sys.argv[1:]))")
    )
    hostile = ["a b", "'", '"', "a\nb", "$HOME", "", "*", "\\"]
    assert await finals(show.args(*hostile).use_stdin(False), "the prompt") == [
        ([*hostile, "the prompt"], True)
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: ProcessSpawner(""),
        lambda: ProcessSpawner("a\0"),
        lambda: ProcessSpawner("a", "not a list"),
        lambda: ProcessSpawner.cmd("a").arg("b\0"),
        lambda: ProcessSpawner("a", env={"A=": "1"}),
        lambda: ProcessSpawner("a", timeout=0),
        lambda: ProcessSpawner("a", timeout=math.nan),
        lambda: ProcessSpawner("a", use_stdin=False, persistent=True),
        lambda: ProcessSpawner("a", persistent=True).stream_mode(StreamMode.SSE_EVENTS),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_said(make):
    with pytest.raises(ConfigError):
        make()


def test_what_is_left_open_is_none():
    assert repr(
        ProcessSpawner("a", stream_mode=None, cwd=None, env=None, timeout=None, limits=None, pool=None)
    )


@pytest.mark.parametrize("mode", StreamMode)
def test_a_spec_has_the_same_fields(mode):
    spec = {"program": "tool", "args": ["-a"], "stream_mode": mode.value, "cwd": "sub", "timeout": 3}
    assert settings(ProcessSpawner.from_spec(spec)) == settings(
        ProcessSpawner("tool", ["-a"], stream_mode=mode, cwd="sub", timeout=3)
    )
    spec = {"program": "tool", "persistent": True, "pool": {"min": 1, "max": 2, "idle": 5}}
    assert settings(ProcessSpawner.from_spec(spec)).pool.min == 1


@pytest.mark.parametrize(
    "spec",
    [
        {"program": "x", "persistent": True, "use_stdin": False},
        {"program": "x", "persistent": True, "stream_mode": "sse_events"},
        {"program": "x", "persistent": True, "pool": {"min": 3, "max": 2}},
        {"program": "x", "persistent": True, "pool": {"max": 0}},
        {"program": "x", "hide_handle": True},
        {"program": "x", "limits": {"memory": -1}},
        {"program": "x", "resources": {"memory": 1}},
    ],
)
def test_specs_that_contradict_themselves(spec):
    with pytest.raises(BlueprintError):
        ProcessSpawner.from_spec(spec)
