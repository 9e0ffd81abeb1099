"""kill -9 of a writing process, at many points: what it announced is there, and its log is free at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skep.errors import RunOwned
from skep.journal.sqlite import SqliteJournal
from skep.testing.aio import run
from skep.testing.journal.kit import names, opened

WRITER = Path(__file__).with_name("journal_writer.py")
LOG = "run:a"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "skep.db"


def start(store):
    return subprocess.Popen([sys.executable, WRITER, store, LOG], stdout=subprocess.PIPE, text=True)


def announced(child, lines):
    """The version of the last of so many announcements."""
    for _ in range(lines):
        last = child.stdout.readline()
    return int(last.split()[0])


async def check(store, version):
    async with opened(SqliteJournal(store)) as journal:
        found = []
        while page := await journal.read(LOG, found[-1].version if found else 0):
            found += page
        assert len(found) >= version
        assert [item.version for item in found] == list(range(1, len(found) + 1))
        assert names(found) == [f"{LOG} {number}" for number in range(1, len(found) + 1)]
        row = await journal.get_run("a")
        assert row is not None
        assert row.interrupted
        assert row.steps <= len(found)
        lease = await journal.acquire(LOG)
        row = await journal.get_run("a")
        assert row is not None
        assert not row.interrupted
        return lease.generation


def test_whenever_it_is_killed(store):
    rng = random.Random(7)  # noqa: S311 - a fixed choice of points
    version = generation = 0
    for lines in (1, 2, *(rng.randrange(3, 120) for _ in range(6))):
        child = start(store)
        try:
            version = announced(child, lines)
        finally:
            os.kill(child.pid, signal.SIGKILL)
            rest = child.communicate()[0].splitlines()
        if rest and rest[-1].count(" ") == 1:
            version = int(rest[-1].split()[0])
        # The child took the lease, then we do.
        assert run(check(store, version)) == generation + 2
        generation += 2


def test_a_process_that_is_stopped_keeps_its_log_and_others_may_read(store):
    child = start(store)
    try:
        version = announced(child, 3)
        # Perhaps in the midst of a commit: then it holds the write lock.
        os.kill(child.pid, signal.SIGSTOP)

        async def look():
            async with opened(SqliteJournal(store)) as journal:
                row = await journal.get_run("a")
                assert row is not None
                assert not row.interrupted
                assert len(await journal.read(LOG)) >= version

        run(look())
        os.kill(child.pid, signal.SIGCONT)

        async def take():
            async with opened(SqliteJournal(store)) as journal:
                with pytest.raises(RunOwned, match=str(child.pid)):
                    await journal.acquire(LOG)

        run(take())
    finally:
        child.kill()
        child.communicate()
    assert run(check(store, version)) == 2
