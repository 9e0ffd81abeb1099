"""Several processes on one store, side by side."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from skep.errors import RunOwned
from skep.journal.sqlite import SqliteJournal
from skep.testing.aio import in_loop
from skep.testing.journal.kit import events, names, opened, summary

WRITER = Path(__file__).parent.parent / "crash" / "journal_writer.py"
EVENTS = 1_500
OPENERS, STORES = 4, 200
OPENER = """
import os, sys
from skep.journal.sqlite import SqliteJournal
from skep.testing.aio import run

async def open_all(folder, stores):
    for number in range(stores):
        journal = SqliteJournal(f"{folder}/{number}.db")
        await journal.open()
        await journal.close()

gate, folder, stores = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
os.read(gate, 1)
run(open_all(folder, stores))
"""


def start(store, log):
    command = [sys.executable, WRITER, store, log, str(EVENTS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def opener(gate, folder):
    """A process that opens one store after the other, once it gets a byte of `gate`."""
    command = [sys.executable, "-c", OPENER, str(gate), folder, str(STORES)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "pass_fds": [gate]}
    return subprocess.Popen(command, text=True, **pipes)


@in_loop
async def test_the_lease_of_another_container_is_left_alone_with_a_remedy(tmp_path):
    store = tmp_path / "skep.db"
    async with opened(SqliteJournal(store)) as journal:
        await journal.acquire("run:a")
        seq = journal.append("run:a", 1, events("x"), summary("a"))
        await journal.flushed(seq)
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute(
                "UPDATE leases SET owner = 'them', namespace = 'pid:[1]', pid = 4194305, host = 'box'"
            )
        with pytest.raises(RunOwned, match=r"4194305 on box .* another container") as refused:
            await journal.acquire("run:a")
        assert not (await journal.get_run("a")).interrupted
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute(refused.value.fix.split('"')[1])
        assert (await journal.get_run("a")).interrupted
        assert (await journal.acquire("run:a")).generation == 2


@in_loop
async def test_writers_on_different_logs_lose_nothing(tmp_path):
    store = tmp_path / "skep.db"
    logs = ["run:a", "run:b"]
    children = [start(store, log) for log in logs]
    async with opened(SqliteJournal(store)) as journal:
        version, watch = 0, journal.watch()
        await watch.changed()
        while any(child.poll() is None for child in children):
            version += 1
            await journal.flushed(journal.append("run:ours", version, events(f"run:ours {version}")))
            await journal.list_runs(open_only=True)
        for child in children:
            _, complaint = child.communicate()
            assert (child.returncode, complaint) == (0, "")
        for log, least in (*((log, EVENTS) for log in logs), ("run:ours", version)):
            found = await journal.read(log)
            assert len(found) >= least
            assert names(found) == [f"{log} {number}" for number in range(1, len(found) + 1)]
        positions = [item.position for item in await journal.read_all(0, 100_000)]
        assert positions == sorted(positions)
        assert await watch.changed()
        assert {row.run_id: row.interrupted for row in await journal.list_runs()} == {"a": True, "b": True}


@in_loop
async def test_processes_that_make_one_new_store_at_the_same_instant_all_open_it(tmp_path):
    gate, opens = os.pipe()
    openers = [opener(gate, tmp_path) for _ in range(OPENERS)]
    assert [child.stdout.readline() for child in openers] == ["ready\n"] * OPENERS
    os.write(opens, b"!" * OPENERS)
    ends = [(child.communicate()[1], child.returncode) for child in openers]
    os.close(gate)
    os.close(opens)
    assert ends == [("", 0)] * OPENERS
    for number in (0, STORES - 1):
        async with opened(SqliteJournal(tmp_path / f"{number}.db")) as journal:
            await journal.flushed(journal.append("run:a", 1, events("x"), summary("a")))
            assert names(await journal.read("run:a")) == ["x"]
