"""`kill -9` of a chain, a loop of equal inputs and a fanout at every commit: no durable step again, the same result."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from victim import RESULTS, register

from skep import Engine
from skep.testing.aio import run

VICTIM = Path(__file__).with_name("victim.py")


def lines(effects: Path) -> Counter[str]:
    return Counter(effects.read_text().split()) if effects.exists() else Counter()


def kill(*arguments) -> bool:
    """Run the victim; whether it was killed rather than done."""
    command = [sys.executable, str(VICTIM), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
    return ended.returncode != 0


async def resume(store, effects):
    """What was durable before, and how the run ends when it is taken up."""
    async with Engine.open(store, recover="none") as engine:
        register(engine, effects)
        runs = await engine.list_runs()
        if not runs:
            return None, None, None
        events = [event async for event in engine.run_events(runs[0].run_id)]
        keys = {event["task_id"]: event["step_key"] for event in events if event["kind"] == "task_created"}
        done = {keys[event["task_id"]] for event in events if event["kind"] == "task_pass"}
        if runs[0].status == "done":
            return done, await engine.get_run(runs[0].run_id), []
        assert runs[0].status == "interrupted"
        handle = await engine.resume_run(runs[0].run_id)
        info = await handle.wait()
        again = [event async for event in engine.run_events(runs[0].run_id)]
        return done, info, again


@pytest.mark.parametrize("durability", ["group", "step"])
@pytest.mark.parametrize("flow", ["chain", "loop", "fanout"])
@pytest.mark.parametrize("where", ["append", "durable"])
def test_every_commit_survives_a_kill(tmp_path, flow, durability, where):
    number = 0
    killed = True
    while killed:
        number += 1
        store = f"sqlite:///{tmp_path}/{number}.db"
        effects = tmp_path / f"{number}.effects"
        killed = kill(store, flow, effects, durability, where, number)
        before = lines(effects)
        durable, info, again = run(resume(store, effects))
        if info is None:
            assert not before, "an agent acted before its run was durable"
            continue
        assert info.status == "done"
        assert info.result == RESULTS[flow]
        after = lines(effects) - before
        assert not durable & set(after), "a step ran again although its completion was durable"
        completed = Counter(event["kind"] for event in again)["task_pass"]
        assert not again or completed == len(set(lines(effects)))
        if durability == "step":
            assert max((before + after).values()) <= 2
    assert number > 2
