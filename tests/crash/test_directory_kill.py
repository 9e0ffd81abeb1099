"""kill -9 of processes that ask and answer: the directory never differs from the events beside it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from skep.core.directory import KINDS
from skep.journal.sqlite import SqliteJournal
from skep.testing.aio import run
from skep.testing.journal.directory import folded
from skep.testing.journal.kit import opened

WRITER = Path(__file__).with_name("directory_writer.py")
LOGS = ("run:a", "run:b")


def start(store, log):
    return subprocess.Popen([sys.executable, WRITER, store, log], stdout=subprocess.PIPE, text=True)


async def look(journal):
    """The directory and the events; others may write in between."""
    recorded = []
    while page := await journal.read_all(recorded[-1].position if recorded else 0):
        recorded += page
    entries = {}
    for kind in KINDS:
        after = 0
        while page := await journal.list_entries(kind, after=after):
            entries |= {(kind, entry.key): entry for entry in page}
            after = page[-1].position
    return entries, folded(recorded), {item.log: item.version for item in recorded}


async def check(store, announced):
    async with opened(SqliteJournal(store)) as journal:
        entries, expected, versions = await look(journal)
        assert entries == expected
        for log, version in announced.items():
            assert versions[log] >= version
            last = f"{log} {versions[log] // 4}"
            assert [entry.key for entry in await journal.list_entries("question", log=log)] == [last]
            assert await journal.find("handle", f"handle of {last}") is not None


def test_entries_and_events_are_there_both_or_not_at_all(tmp_path):
    store = tmp_path / "skep.db"
    rng = random.Random(11)  # noqa: S311 - a fixed choice of points
    for lines in (1, 2, *(rng.randrange(3, 60) for _ in range(5))):
        children = {log: start(store, log) for log in LOGS}
        announced = {}
        try:
            for log, child in children.items():
                for _ in range(lines):
                    announced[log] = int(child.stdout.readline())
        finally:
            for child in children.values():
                os.kill(child.pid, signal.SIGKILL)
                child.communicate()
        run(check(store, announced))
