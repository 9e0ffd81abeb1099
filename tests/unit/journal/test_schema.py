from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from skep.core.events import SessionAttached, TokenRevoked
from skep.errors import ConfigError, SchemaTooNew, StoreCorrupt
from skep.journal.base import Entry
from skep.journal.codec import encode_events
from skep.journal.sqlite import SqliteJournal, schema
from skep.journal.sqlite.connection import connect_writer
from skep.testing.aio import in_loop, run
from skep.testing.journal.kit import events, names, opened

LATEST = len(schema.migrations())
ADDED = schema.Migration(
    LATEST + 1, "9999_added", "-- more\nCREATE TABLE added (x);\nINSERT INTO added VALUES (1);\n"
)


def open_once(path):
    async def body():
        async with opened(SqliteJournal(path)):
            pass

    run(body())


def query(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_fresh_store_carries_its_mark_and_its_migrations(tmp_path):
    path = tmp_path / "skep.db"
    open_once(path)
    assert query(path, "PRAGMA application_id") == [(0x736B6570,)]
    assert query(path, "PRAGMA user_version") == [(LATEST,)]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    assert [row[:2] for row in query(path, "SELECT number, sha256 FROM migrations")] == [
        (step.number, step.sha256) for step in schema.migrations()
    ]


def test_migrations_are_numbered_without_a_gap():
    assert [step.number for step in schema.migrations()] == list(range(1, LATEST + 1))


@in_loop
async def test_an_older_store_is_upgraded_and_keeps_its_events(tmp_path, monkeypatch):
    path = tmp_path / "skep.db"
    async with opened(SqliteJournal(path)) as journal:
        await journal.flushed(journal.append("run:a", 1, events("x")))
    steps = [*schema.migrations(), ADDED]
    monkeypatch.setattr(schema, "migrations", lambda: steps)
    for _ in range(2):
        async with opened(SqliteJournal(path)) as journal:
            assert names(await journal.read("run:a")) == ["x"]
    assert query(path, "SELECT x FROM added") == [(1,)]
    assert query(path, "PRAGMA user_version") == [(LATEST + 1,)]


@in_loop
async def test_a_store_of_the_first_schema_gets_a_directory_of_what_it_holds(tmp_path):
    path = tmp_path / "skep.db"
    with closing(connect_writer(path, "full")) as connection:
        schema.migrate(connection, path, schema.migrations()[:1])
        tokens = [
            SessionAttached(
                at=1, session_id="S", operator_id="o", role="operator", nonce=nonce, expire_at=9, scopes=()
            )
            for nonce in ("kept", "revoked")
        ]
        for log, version, found in (
            ("session:a", 1, [*events("x"), *tokens]),
            ("session:a", 4, [TokenRevoked(at=1, nonce="revoked")]),
            ("session:b", 1, [TokenRevoked(at=1, nonce="kept")]),
            ("run:a", 1, events("y")),
        ):
            connection.execute(
                "INSERT INTO log_rows (log, version, count, generation, at, events) VALUES (?, ?, ?, 0, 1, ?)",
                (log, version, len(found), encode_events(found)),
            )
    async with opened(SqliteJournal(path)) as journal:
        assert await journal.list_entries("token") == [Entry("token", "kept", "session:a", 2, 1)]
        await journal.flushed(journal.append("session:a", 5, [TokenRevoked(at=1, nonce="kept")]))
        assert await journal.find("token", "kept") is None
        assert names(await journal.read("run:a")) == ["y"]


def test_a_migration_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "skep.db"
    open_once(path)
    broken = schema.Migration(LATEST + 1, "9999_broken", "CREATE TABLE added (x);\nCREATE TABLE added (x);\n")
    with closing(connect_writer(path, "full")) as connection, pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, path, [*schema.migrations(), broken])
    assert query(path, "PRAGMA user_version") == [(LATEST,)]
    assert query(path, "SELECT name FROM sqlite_master WHERE name = 'added'") == []


def test_a_newer_store_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "skep.db"
    open_once(path)
    with closing(connect_writer(path, "full")) as connection:
        schema.migrate(connection, path, [*schema.migrations(), ADDED])
    before = contents(tmp_path)
    with pytest.raises(SchemaTooNew, match=f"schema {LATEST + 1}, this skep knows {LATEST}") as caught:
        open_once(path)
    assert caught.value.where == str(path)
    assert caught.value.fix
    assert contents(tmp_path) == before


def test_a_store_with_another_form_of_a_migration_is_refused(tmp_path):
    path = tmp_path / "skep.db"
    open_once(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE migrations SET sha256 = 'other'")
    with pytest.raises(StoreCorrupt, match="0001_journal"):
        open_once(path)


def test_somebody_elses_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = contents(tmp_path)
    with pytest.raises(StoreCorrupt, match="not a store of skep") as caught:
        open_once(path)
    assert caught.value.fix
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "content", [b"hello, this is text and no database at all\n" * 50, b"\0" * 5000, b"x"]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt) as caught:
        open_once(path)
    assert caught.value.where == str(path)
    assert contents(tmp_path) == {"notes.txt": content}


def test_a_damaged_store_is_refused(tmp_path):
    path = tmp_path / "skep.db"
    open_once(path)
    data = bytearray(path.read_bytes())
    data[100:3000] = b"\xff" * 2900
    path.write_bytes(data)
    with pytest.raises(StoreCorrupt) as caught:
        open_once(path)
    assert caught.value.fix


def test_too_old_an_sqlite_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(schema.sqlite3, "sqlite_version_info", (3, 30, 0))
    with pytest.raises(ConfigError, match="too old"):
        open_once(tmp_path / "skep.db")


def test_many_processes_may_open_a_new_store_at_once(tmp_path):
    program = (
        "import sys\n"
        "from skep.journal.sqlite import SqliteJournal\n"
        "from skep.testing.aio import run\n"
        "async def body():\n"
        "    journal = SqliteJournal(sys.argv[1])\n"
        "    print('ready', flush=True)\n"
        "    input()\n"
        "    await journal.open()\n"
        "    await journal.close()\n"
        "run(body())\n"
    )
    path = tmp_path / "skep.db"
    children = [
        subprocess.Popen([sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for child in children:
        assert child.stdout.readline() == b"ready\n"
    for child in children:
        child.stdin.write(b"\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=30)
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    assert query(path, "SELECT count(*) FROM migrations") == [(LATEST,)]
