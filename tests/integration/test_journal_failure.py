"""A commit that fails stops the journal; what was acknowledged stays (R-stop)."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from skep.core.events import RunFinished
from skep.errors import ConfigError, JournalFailed, NotRecordable, StoreCorrupt
from skep.journal.sqlite import SqliteJournal, opening
from skep.journal.sqlite.connection import connect_writer
from skep.testing.aio import in_loop, run
from skep.testing.journal.kit import Ear, events, names, opened, summary

LARGE = "x" * 50_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "skep.db"


@pytest.fixture
def full_disk(monkeypatch):
    """SQLite finds the disk full when the store grows beyond a few pages more."""

    def connect(*args):
        connection = connect_writer(*args)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 40}")
        return connection

    monkeypatch.setattr(opening, "connect_writer", connect)


async def fill(journal, log="run:a", first=1):
    """Append until the journal stops; returns the versions that it acknowledged."""
    acknowledged = []
    for version in range(first, 10_000):
        seq = journal.append(log, version, events(LARGE), summary(log.removeprefix("run:")))
        try:
            await journal.flushed(seq)
        except JournalFailed:
            return acknowledged
        acknowledged.append(version)
    raise AssertionError("the disk was never full")


@pytest.mark.usefixtures("full_disk")
@in_loop
async def test_a_full_disk_stops_the_journal_and_loses_nothing_acknowledged(path, monkeypatch):
    async with opened(SqliteJournal(path)) as journal:
        await journal.flushed(journal.append("engine", 1, events("first")))
    journal = SqliteJournal(path)
    await journal.open()
    ear = Ear(journal)
    await journal.acquire("run:a")
    acknowledged = await fill(journal)
    assert acknowledged
    assert [type(error) for error in ear.failures] == [JournalFailed]
    assert "full" in str(ear.failures[0])
    assert "free space" in str(ear.failures[0])
    assert isinstance(ear.failures[0].__cause__, sqlite3.OperationalError)
    with pytest.raises(JournalFailed, match="full"):
        journal.append("engine", 2, events("x"))
    with pytest.raises(JournalFailed, match="full"):
        await journal.flushed(10_000)
    for write in (journal.acquire("run:b"), journal.send("run:a", {}), journal.put_blob(b"x")):
        with pytest.raises(JournalFailed):
            await write
    assert [item.version for item in await journal.read("run:a")] == acknowledged
    assert [row.run_id for row in await journal.list_runs(open_only=True)] == ["a"]
    await journal.close()
    assert len(ear.failures) == 1

    monkeypatch.undo()
    async with opened(SqliteJournal(path)) as again:
        assert names(await again.read("engine")) == ["first"]
        found = [item.version for item in await again.read("run:a")]
        assert found[: len(acknowledged)] == acknowledged
        await again.acquire("run:a")
        await again.flushed(again.append("run:a", len(found) + 1, events("goes on")))


@pytest.mark.usefixtures("full_disk")
@in_loop
async def test_all_who_wait_hear_of_the_failure(path):
    async with opened(SqliteJournal(path)) as journal:
        await fill(journal)
    async with opened(SqliteJournal(path)) as journal:
        seqs = [journal.append("run:b", n, events(LARGE)) for n in range(1, 50)]
        outcomes = await asyncio.gather(
            *map(journal.flushed, seqs), journal.acquire("run:c"), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {JournalFailed}
        assert len({id(outcome) for outcome in outcomes}) == len(outcomes)


@pytest.mark.usefixtures("full_disk")
@in_loop
async def test_a_failure_while_closing_is_raised(path):
    journal = SqliteJournal(path)
    await journal.open()
    for version in range(1, 50):
        journal.append("run:a", version, events(LARGE))
    with pytest.raises(JournalFailed, match="full"):
        await journal.close()
    with pytest.raises(JournalFailed):
        journal.append("run:a", 50, events("x"))


@in_loop
async def test_an_event_that_cannot_be_encoded_stops_its_log_only(path):
    async with opened(SqliteJournal(path)) as journal:
        ear = Ear(journal)
        await journal.acquire("run:a")
        odd = RunFinished(at=1, run_id="a", status="failed", error={"what": object()})
        seqs = [
            journal.append("run:a", 1, events("kept"), summary("a")),
            journal.append("run:b", 1, events("b1")),
            journal.append("run:a", 2, [odd], summary("a", "failed")),
            journal.append("run:b", 2, events("b2"), summary("b")),
            journal.append("run:a", 3, events("would leave a gap"), summary("a", "done")),
        ]
        outcomes = await asyncio.gather(*map(journal.flushed, seqs), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [
            *[type(None)] * 2,
            NotRecordable,
            type(None),
            NotRecordable,
        ]
        assert [(type(error), error.where) for error in ear.failures] == [(NotRecordable, "run:a")]
        assert "RunFinished at version 2" in str(ear.failures[0])
        with pytest.raises(NotRecordable, match="object"):
            journal.append("run:a", 4, events("x"))
        assert names(await journal.read("run:b")) == ["b1", "b2"]
        assert (await journal.get_run("a")).status == "running"
        assert journal.stats()["backlog"] == 0
        await journal.release("run:a")
        await journal.acquire("run:a")
        await journal.flushed(journal.append("run:a", 2, events("goes on")))
        assert names(await journal.read("run:a")) == ["kept", "goes on"]


@pytest.mark.parametrize("text", ["\ud800", "x\udcff"])
@in_loop
async def test_a_lone_surrogate_is_no_broken_disk(path, text):
    async with opened(SqliteJournal(path)) as journal:
        first = journal.append("run:a", 1, events(text))
        second = journal.append("run:b", 1, events("x"), summary("b", error=text))
        third = journal.append("run:c", 1, events("x"), summary("c"))
        for lost in (first, second):
            with pytest.raises(NotRecordable, match="surrogate"):
                await journal.flushed(lost)
        await journal.flushed(third)
        assert [item.log for item in await journal.read_all()] == ["run:c"]
        assert [row.run_id for row in await journal.list_runs()] == ["c"]


@in_loop
async def test_an_artifact_that_cannot_be_written_stops_the_journal(path):
    async with opened(SqliteJournal(path)) as journal:
        path.with_name("skep.db.blobs").write_text("in the way")
        journal.stage_blob(b"x", log="run:a")
        with pytest.raises(JournalFailed):
            await journal.flushed(journal.append("run:a", 1, events("refers to it")))
        assert await journal.read("run:a") == []
    async with opened(SqliteJournal(path)) as journal:
        with pytest.raises(JournalFailed):
            await journal.put_blob(b"x")
        with pytest.raises(JournalFailed):
            journal.append("run:a", 1, events("x"))


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]
    if (
        mount is None
        or os.geteuid() != 0
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting a small file system needs a privilege")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@in_loop
async def test_a_real_full_disk(small_disk):
    path = small_disk / "skep.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 400_000)
    journal = SqliteJournal(path)
    await journal.open()
    acknowledged = await fill(journal)
    assert [item.version for item in await journal.read("run:a")] == acknowledged
    await journal.close()
    ballast.unlink()
    async with opened(SqliteJournal(path)) as again:
        found = [item.version for item in await again.read("run:a")]
        assert found[: len(acknowledged)] == acknowledged
        await again.flushed(again.append("run:a", len(found) + 1, events("goes on")))


@in_loop
async def test_a_damaged_row_is_named_and_other_logs_are_read(path):
    async with opened(SqliteJournal(path)) as journal:
        for log in ("run:a", "run:b"):
            for version in range(1, 4):
                await journal.flushed(journal.append(log, version, events(str(version))))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE log_rows SET events = '[{]' WHERE log = 'run:a' AND version = 2")
    async with opened(SqliteJournal(path)) as journal:
        with pytest.raises(StoreCorrupt, match="run:a: event row at version 2") as caught:
            await journal.read("run:a")
        assert caught.value.fix
        assert names(await journal.read("run:a", 2)) == ["3"]
        assert len(await journal.read("run:b")) == 3


@in_loop
async def test_a_missing_row_is_named(path):
    async with opened(SqliteJournal(path)) as journal:
        for version in range(1, 6):
            await journal.flushed(journal.append("run:a", version, events(str(version))))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM log_rows WHERE log = 'run:a' AND version IN (1, 4)")
    async with opened(SqliteJournal(path)) as journal:
        for after, version in ((0, 1), (1, 4), (3, 4)):
            with pytest.raises(StoreCorrupt, match=f"from version {version} on"):
                await journal.read("run:a", after)
        assert names(await journal.read("run:a", 4)) == ["5"]


@in_loop
async def test_a_changed_artifact_is_named(path):
    async with opened(SqliteJournal(path)) as journal:
        sha256 = await journal.put_blob(b"as it was")
        file = path.with_name("skep.db.blobs") / sha256[:2] / sha256[2:]
        file.write_bytes(b"as it is")
        with pytest.raises(StoreCorrupt) as caught:
            await journal.get_blob(sha256)
        assert caught.value.where == str(file)
        file.unlink()
        with pytest.raises(StoreCorrupt):
            await journal.get_blob(sha256)
        assert await journal.put_blob(b"as it was") == sha256
        assert await journal.get_blob(sha256) == b"as it was"


@in_loop
async def test_what_a_crash_left_of_an_artifact_is_swept_at_open(path):
    async with opened(SqliteJournal(path)) as journal:
        kept = await journal.put_blob(b"kept")
        lost = journal._files.stage("ab" * 32, b"never recorded")
        os.utime(lost, (1, 1))
        files = journal._files
    assert files.has("ab" * 32)
    async with opened(SqliteJournal(path)) as journal:
        assert not files.has("ab" * 32)
        assert not lost.exists()
        assert await journal.get_blob(kept) == b"kept"


def test_a_place_without_permission_is_refused():
    """Where we are root, for whom nothing is read-only, a child becomes somebody else first."""
    program = (
        "import os, sys\n"
        "from skep.errors import ConfigError\n"
        "from skep.journal import place\n"
        "from pathlib import Path\n"
        "if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n"
        "for name in sys.argv[1:]:\n"
        "    try: place.prepare(Path(name))\n"
        "    except ConfigError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own is closed to others
        place = Path(folder)
        place.chmod(0o755)
        (place / "old.db").touch(mode=0o444)
        (place / "closed").mkdir(mode=0o555)
        targets = [str(place / "old.db"), str(place / "closed" / "new.db")]
        done = subprocess.run(
            [sys.executable, "-c", program, *targets], capture_output=True, text=True, check=False
        )
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert len(said) == 2
    for target, line in zip(targets, said, strict=True):
        assert line.startswith(target)
        assert "must be writable by you" in line


@in_loop
async def test_a_journal_is_opened_once(path):
    async with opened(SqliteJournal(path)) as journal:
        with pytest.raises(JournalFailed, match="once"):
            await journal.open()
        await journal.flushed(journal.append("run:a", 1, events("x")))


def test_opening_a_directory_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="directory"):
        run(SqliteJournal(tmp_path).open())


@in_loop
async def test_reading_needs_an_open_store_and_makes_none(path):
    journal = SqliteJournal(path)
    for opened_before in (False, True):
        for read in (
            journal.read("run:a"),
            journal.list_runs(),
            journal.watch().changed(),
            journal.get_blob("0" * 64),
        ):
            with pytest.raises(JournalFailed, match="not open"):
                await read
        assert path.exists() == opened_before
        if not opened_before:
            async with opened(journal):
                assert await journal.read("run:a") == []
