"""How groups are committed: as one statement, in order, within bounds."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from skep.errors import LimitExceeded
from skep.journal.base import StreamBatch
from skep.journal.sqlite import SqliteJournal, inbox, leases, logs, opening, runs, stream
from skep.limits import Limits
from skep.testing.aio import in_loop, run
from skep.testing.journal.kit import Ear, events, names, opened, settle, summary


@pytest.fixture
def path(tmp_path):
    return tmp_path / "skep.db"


class Traced(sqlite3.Connection):
    """Notes the statements that it runs."""

    def execute(self, sql, *parameters):
        self.ran.append(sql.split("(")[0].strip())
        return super().execute(sql, *parameters)


@pytest.fixture
def statements(monkeypatch):
    """Every statement that the writer runs."""
    monkeypatch.setattr(Traced, "ran", [], raising=False)

    def traced(*args, **kwargs):
        return connect(*args, factory=Traced, **kwargs)

    connect = sqlite3.connect
    monkeypatch.setattr(opening.sqlite3, "connect", traced)
    return Traced.ran


@in_loop
async def test_what_has_gathered_is_one_statement(path, statements):
    async with opened(SqliteJournal(path)) as journal:
        statements.clear()
        for number in range(100):
            seq = journal.append(f"run:{number}", 1, events("x", "y"))
        await journal.flushed(seq)
        assert statements == ["INSERT INTO log_rows"]
        assert journal.stats()["commits"] == 1
        assert journal.stats()["rows"] == 100


@in_loop
async def test_a_large_group_is_still_one_transaction(path, statements):
    async with opened(SqliteJournal(path)) as journal:
        statements.clear()
        count = logs.ROWS_A_STATEMENT * 2 + 5
        for number in range(count):
            seq = journal.append(f"run:{number}", 1, events("x"))
        await journal.flushed(seq)
        assert statements == ["BEGIN IMMEDIATE", *["INSERT INTO log_rows"] * 3, "COMMIT"]
        assert len(await journal.read_all()) == count


@in_loop
async def test_appends_in_a_row_share_a_row_and_keep_their_versions(path):
    async with opened(SqliteJournal(path, limits=Limits(journal_row_events=10))) as journal:
        ear = Ear(journal)
        for version in range(1, 26):
            seq = journal.append("run:a", version, events(str(version)))
        await settle(journal, seq)
        assert journal.stats()["rows"] == 3
        assert [item.version for item in ear.recorded] == list(range(1, 26))
        assert names(await journal.read("run:a", 13)) == [str(version) for version in range(14, 26)]


@in_loop
async def test_only_the_fenced_log_of_a_large_group_is_lost(path):
    async with opened(SqliteJournal(path)) as journal, opened(SqliteJournal(path)) as other:
        await other.acquire("run:77")
        ear = Ear(journal)
        seqs = [journal.append(f"run:{n}", 1, events(str(n)), summary(str(n))) for n in range(300)]
        seqs += [journal.append("run:77", 2, events("77 again"))]
        outcomes = await asyncio.gather(*map(journal.flushed, seqs), return_exceptions=True)
        assert [n for n, outcome in enumerate(outcomes) if outcome is not None] == [77, 300]
        assert [error.where for error in ear.failures] == ["run:77"]
        stored = [str(n) for n in range(300) if n != 77]
        assert names(await journal.read_all()) == names(ear.recorded) == stored
        assert await journal.get_run("77") is None
        assert await journal.get_run("78") is not None
        assert journal.stats()["backlog"] == 0


@in_loop
async def test_beyond_its_backlog_append_refuses_and_recovers(path):
    async with opened(SqliteJournal(path, limits=Limits(journal_backlog=5))) as journal:
        journal.append("run:a", 1, events("1", "2", "3"))
        with pytest.raises(LimitExceeded, match="journal_backlog"):
            journal.append("run:a", 4, events("4", "5", "6"))
        seq = journal.append("run:a", 4, events("4", "5"))
        assert journal.stats()["backlog"] == 5
        await journal.flushed(seq)
        assert journal.stats()["backlog"] == 0
        await journal.flushed(journal.append("run:a", 6, events("6")))
        assert len(await journal.read("run:a")) == 6


@in_loop
async def test_beyond_its_backlog_staging_refuses_and_recovers(path):
    async with opened(SqliteJournal(path, limits=Limits(blob_backlog_bytes=10))) as journal:
        first = journal.stage_blob(b"12345678", log="run:a")
        with pytest.raises(LimitExceeded, match="blob_backlog_bytes"):
            journal.stage_blob(b"123", log="run:a")
        await journal.flushed(journal.append("run:a", 1, events("x")))
        second = journal.stage_blob(b"123", log="run:a")
        await journal.flushed(journal.append("run:a", 2, events("y")))
        assert await journal.get_blob(first, log="run:a") == b"12345678"
        assert await journal.get_blob(second, log="run:a") == b"123"


@in_loop
async def test_the_stream_lane_needs_no_append_and_counts_what_it_drops(path):
    async with opened(SqliteJournal(path, limits=Limits(stream_backlog=10))) as journal:
        journal.stream("run:a", StreamBatch("t", 1, 1, 1, 1, [b"x"] * 15))
        await journal.acquire("run:b")
        assert [item.number for item in await journal.read_stream("run:a")] == list(range(6, 16))
        assert journal.stats()["stream_dropped"] == 5


@in_loop
async def test_a_program_that_locks_the_store_is_waited_for(path):
    async with opened(SqliteJournal(path)) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            first = journal.append("run:a", 1, events("x"))
            second = journal.append("run:b", 1, events("x"), summary("b"))
            waiter = asyncio.ensure_future(journal.flushed(second))
            assert names(await journal.read_all()) == []
            assert not waiter.done()
            other.execute("ROLLBACK")
        await waiter
        assert journal.durable >= first


@in_loop
async def test_readers_need_no_write_lock(path):
    async with opened(SqliteJournal(path)) as journal:
        await journal.flushed(journal.append("run:a", 1, events("x"), summary("a")))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with opened(SqliteJournal(path)) as reader:
                assert names(await reader.read("run:a")) == ["x"]
                assert len(await reader.list_runs()) == 1
            other.execute("ROLLBACK")


@in_loop
async def test_no_open_connection_loses_its_locks_to_another_journal(path):
    """Closing any descriptor of a file ends the process's locks on it; without them SQLite drops the WAL."""
    async with opened(SqliteJournal(path)) as journal:
        await journal.flushed(journal.append("run:a", 1, events("x")))
        async with opened(SqliteJournal(path)):
            pass
        code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM runs')"
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path))
        assert await child.wait() == 0
        assert path.with_name("skep.db-wal").exists()
        await journal.flushed(journal.append("run:a", 2, events("y")))
        assert names(await journal.read("run:a")) == ["x", "y"]


def test_a_loop_that_ends_without_closing_keeps_nothing_from_ending(path):
    program = (
        "import sys\n"
        "from skep.journal.sqlite import SqliteJournal\n"
        "from skep.testing.aio import run\n"
        "from skep.testing.journal.kit import events\n"
        "async def careless():\n"
        "    journal = SqliteJournal(sys.argv[1])\n"
        "    await journal.open()\n"
        "    await journal.flushed(journal.append('run:a', 1, events('x')))\n"
        "    journal.append('run:a', 2, events('y'))\n"
        "    journal._writer._signals.put(None)\n"
        "run(careless())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

    async def again():
        async with opened(SqliteJournal(path)) as journal:
            assert names(await journal.read("run:a"))[:1] == ["x"]

    run(again())


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1), ("memory", 0)])
def test_the_level_of_synchronisation_is_the_one_asked_for(path, monkeypatch, synchronous, level):
    levels = []

    def connect(*args):
        connection = real(*args)
        levels.append(connection.execute("PRAGMA synchronous").fetchone()[0])
        return connection

    real = opening.connect_writer
    monkeypatch.setattr(opening, "connect_writer", connect)

    async def body():
        journal = SqliteJournal.from_url(f"sqlite:///{path}?synchronous={synchronous}")
        async with opened(journal):
            await journal.flushed(journal.append("run:a", 1, events("x")))
            await journal.put_blob(b"x")

    run(body())
    assert levels == [level]


@in_loop
async def test_listing_and_reading_use_indexes(path):
    async with opened(SqliteJournal(path)) as journal:
        await journal.acquire("run:a")
        await journal.flushed(journal.append("run:a", 1, events("x"), summary("a")))
        plans = {}
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            queries = []
            connection.set_trace_callback(queries.append)
            runs.list_runs(connection, limit=1, prefix="", status=None, open_only=True)
            runs.list_runs(connection, limit=1, prefix="", status="done", open_only=False)
            runs.list_runs(connection, limit=1, prefix="", status=None, open_only=False)
            runs.list_runs(connection, limit=1, prefix="run-1", status=None, open_only=False)
            runs.get_run(connection, "a")
            logs.read(connection, "run:a", 5, 1)
            logs.read_last(connection, "run:a")
            logs.read_all(connection, 5, 1)
            stream.read(connection, "run:a", None, 0, 1)
            inbox.receive(connection, ["run:a"])
            leases.release_all(connection, "nobody")
            connection.set_trace_callback(None)
            for query in queries:
                plans[query] = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert len(plans) == 11
        for query, plan in plans.items():
            for step in plan:
                assert "SCAN" not in step or "USING INDEX" in step or "json_each" in step, (query, plan)
                few = "BETWEEN" in query or "inbox" in query
                assert "USE TEMP B-TREE FOR ORDER BY" not in step or few, (query, plan)
