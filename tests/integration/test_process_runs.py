"""Runs whose steps are programs: what the end of a program means for its task and its run.

Rows 33 and 35 of the reference's table 13.3; defects 1, 2, 3 and 27 of its section 12.2.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engines import lit, path, step
from skep import Engine, parse_blueprint
from skep.errors import RunFailed
from skep.testing.aio import in_loop


def programs(flow, **specs):
    agents = [{"name": name, "kind": "subprocess", "spec": spec} for name, spec in specs.items()]
    return parse_blueprint({"id": "programs", "agents": agents, "flow": flow})


def sh(code, **fields):
    return {"program": "sh", "args": ["-c", code], **fields}


def pid_in(file):
    """The pid in a file that a child writes, once there is one."""
    text = file.read_text() if file.exists() else ""
    return int(text) if text.endswith("\n") else None


async def started(file):
    async with asyncio.timeout(20):
        while (pid := pid_in(file)) is None:
            await asyncio.sleep(0.01)
    return pid


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"program": "surely-not-installed"}, "was not found"),
        ({"program": "true", "cwd": "gone"}, "working directory .*gone is not there"),
        (sh("kill -9 $$"), "was killed by SIGKILL"),
        (sh("echo '{\"n\": 1}'; exit 1"), r"blocked: .*\"n\": ?1"),
        (sh("echo noise", stream_mode="ndjson_lines"), "no Final event received"),
    ],
)
@in_loop
async def test_a_program_that_fails_settles_its_task_and_wakes_who_waits(spec, why):
    async with Engine.open("memory:") as engine:
        run = await engine.start(programs(step("a"), a=spec), {})
        with pytest.raises(RunFailed, match=why):
            await run.result()
        assert engine.ledger.state.tasks == {}


@in_loop
async def test_a_blocked_program_is_caught_with_what_it_printed():
    caught = {"kind": "try", "body": step("a"), "catch": step("b", "$"), "err_at": path("$.err")}
    flow = programs(caught, a=sh("echo '{\"n\": 1}'; exit 1"), b={"program": "cat"})
    async with Engine.open("memory:") as engine:
        result = await (await engine.start(flow, {})).result()
    assert '"n":1' in result["out"]["err"].replace(" ", "")


@in_loop
async def test_a_cancelled_run_ends_its_program_and_stays_cancelled(tmp_path):
    code = f"trap 'echo [1]; exit 0' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done"
    async with Engine.open("memory:") as engine:
        run = await engine.start(programs(step("a"), a=sh(code)), {})
        pid = await started(tmp_path / "pid")
        await run.cancel()
        with pytest.raises(RunFailed, match="cancelled"):
            await run.result()
        assert not running(pid)


@in_loop
async def test_the_loser_of_a_race_has_ended_before_the_next_step(tmp_path):
    lanes = {
        "kind": "fanout",
        "items": lit(["fast", "slow"]),
        "bind": path("$.which"),
        "join": "race",
        "body": step("lane", "$.which", "$.won"),
        "out": path("$.lanes"),
    }
    file = tmp_path / "pid"
    lane = f"""
        read which
        if [ "$which" = slow ]; then echo $$ > {file}; exec sleep 120; fi
        while [ ! -s {file} ]; do sleep 0.02; done
        echo '"fast"'
    """
    looks = sh(f"if kill -0 $(cat {file}) 2>/dev/null; then echo '\"alive\"'; else echo '\"ended\"'; fi")
    flow = programs({"kind": "seq", "children": [lanes, step("looks")]}, lane=sh(lane), looks=looks)
    async with Engine.open("memory:") as engine:
        result = await (await engine.start(flow, {})).result()
    assert result["out"] == "ended"
    assert not running(pid_in(file))
