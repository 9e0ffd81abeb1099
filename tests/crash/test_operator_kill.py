"""`kill -9` of a host whose work somebody holds: the item, its handle and its result are there afterwards."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skep import Engine
from skep.testing.aio import run

HOST = Path(__file__).with_name("operator_host.py")


def kill(*arguments):
    """What the host was told, and whether it was killed rather than done."""
    command = [sys.executable, str(HOST), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    told = {words[0]: words[1:] for words in map(str.split, ended.stdout.splitlines())}
    return told, ended.returncode != 0


async def go_on(store, told):
    """Take the run up and see to it that it ends; how often it was offered, and with what it ended."""
    async with Engine.open(store, recover="none") as engine:
        [row] = await engine.list_runs()
        if row.status != "done":
            handle = await engine.resume_run(row.run_id)
            await finish(engine, handle, told)
            row = await handle.wait()
        events = [event async for event in engine.run_events(row.run_id)]
        return events, (await engine.get_run(row.run_id)).result


async def finish(engine, handle, told):
    while not (items := await engine.list_work()):
        if (await engine.get_run(handle.id)).status == "done":
            return
        await asyncio.sleep(0)
    assert "completed" not in told, "an acknowledged result was lost"
    if "claimed" in told:
        key, secret = told["claimed"]
        assert (items[0].key, items[0].generation) == (key, 1)
        await engine.complete(secret, key, "second")
        return
    claimed = await engine.takeover(None, items[0].key)
    await engine.complete(claimed.handle, items[0].key, "second")


@pytest.mark.parametrize("where", ["append", "durable"])
def test_an_item_and_its_handle_survive_a_kill_at_every_commit(tmp_path, where):
    number, killed, seen = 0, True, set()
    while killed:
        number += 1
        store = f"sqlite:///{tmp_path}/{number}.db"
        told, killed = kill(store, where, number)
        if not told and number == 1 and where == "append":
            continue  # killed before anything was durable
        events, result = run(go_on(store, told))
        seen.add((*told, result["out"]))
        assert result["out"] == ("first" if "completed" in told else result["out"])
        kinds = [event["kind"] for event in events]
        assert kinds.count("worker_output") == kinds.count("question_answered") == 1
        if "claimed" in told:
            assert kinds.count("question_asked") == 1
            assert "task_attempt_interrupted" not in kinds
    assert ("claimed", "second") in seen, "the old handle completed the item"
    assert ("claimed", "completed", "first") in seen
