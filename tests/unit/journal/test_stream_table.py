from __future__ import annotations

import sqlite3
from contextlib import closing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.journal.base import StreamBatch
from skep.journal.sqlite import SqliteJournal, schema, stream, stream_rows
from skep.journal.sqlite.connection import connect_writer
from skep.journal.sqlite.stream_rows import packed
from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.journal.kit import batch, items, opened


def rows(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT log, number, count FROM stream ORDER BY id").fetchall()


@in_loop
async def test_only_the_logs_that_streamed_last_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "_COUNTED_LOGS", 5)
    async with opened(SqliteJournal(tmp_path / "skep.db", limits=Limits(stream_items=20))) as journal:
        journal.stream("run:a", batch("t", *range(1, 22)))
        await journal.drained()
        for other in range(50):
            journal.stream(f"run:{other}", batch("t", 1))
            await journal.drained()
        assert list(journal._stream._since_prune) == [f"run:{other}" for other in range(45, 50)]
        journal.stream("run:a", batch("t", 22))
        await journal.drained()
        assert [item.number for item in await journal.read_stream("run:a")] == list(range(3, 23))
        assert journal.stats()["stream_pruned"] == 2


@in_loop
async def test_opening_a_store_often_does_not_let_a_log_grow(tmp_path):
    for number in range(1, 60):
        journal = SqliteJournal(tmp_path / "skep.db", limits=Limits(stream_items=20))
        async with opened(journal):
            journal.stream("run:a", batch("t", number))
            await journal.drained()
            assert len(await journal.read_stream("run:a")) == min(number, 20)


@in_loop
async def test_what_goes_on_stands_in_one_row_until_that_is_full(tmp_path, monkeypatch):
    path = tmp_path / "skep.db"
    monkeypatch.setattr(stream_rows, "ROW_BYTES", 100)
    async with opened(SqliteJournal(path, limits=Limits(stream_items=30))) as journal:
        journal.stream("run:a", batch("t", 1, 2))
        journal.stream("run:a", batch("t", 3, 4))
        journal.stream(
            "run:a", StreamBatch("t", 1, 5, 5, 9, [b"x" * 101, b"y" * 60, b"z" * 41, b"a\nb", b"c"])
        )
        journal.stream("run:b", batch("t", 10))
        journal.stream("run:b", batch("u", 11))
        journal.stream("run:b", batch("u", 13))
    assert rows(path) == [
        ("run:a", 1, 3),
        ("run:a", 4, 1),
        ("run:a", 5, 1),
        ("run:a", 6, 1),
        ("run:a", 7, 1),
        ("run:a", 8, 1),
        ("run:a", 9, 1),
        ("run:b", 10, 1),
        ("run:b", 11, 1),
        ("run:b", 13, 1),
    ]


@pytest.mark.parametrize(
    ("field", "other"), [("task_id", "u"), ("attempt", 2), ("first", 5), ("version", 6), ("at", 10)]
)
def test_only_what_differs_in_nothing_but_its_data_shares_a_row(field, other):
    following = batch("t", 3, 4)
    batches = [("run:a", batch("t", 1, 2)), ("run:a", following)]
    assert [row.count for row in packed(batches, 9)] == [4]
    batches[1] = ("run:a", msgspec.structs.replace(following, **{field: other}))
    assert [row.count for row in packed(batches, 9)] == [2, 2]


@in_loop
async def test_a_store_of_the_third_schema_keeps_its_items(tmp_path):
    path = tmp_path / "skep.db"
    with closing(connect_writer(path, "full")) as connection:
        schema.migrate(connection, path, schema.migrations()[:3])
        connection.executemany(
            "INSERT INTO stream (log, task_id, attempt, number, version, at, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [("run:a", "t", 1, number, 5, 9, b"of\nold\n%d" % number) for number in (1, 2)],
        )
    async with opened(SqliteJournal(path)) as journal:
        journal.stream("run:a", batch("t", 3, 4))
        await journal.drained()
        found = await journal.read_stream("run:a")
        assert [item.data for item in found[:2]] == [b"of\nold\n1", b"of\nold\n2"]
        assert [item.number for item in found] == [1, 2, 3, 4]
        assert found[2:] == items("t", 3, 4)
    assert rows(path) == [("run:a", 1, 1), ("run:a", 2, 1), ("run:a", 3, 2)]


BATCHES = st.lists(
    st.tuples(
        st.sampled_from(["run:a", "run:b"]),
        st.builds(
            StreamBatch,
            st.sampled_from("tu"),
            st.just(1),
            st.integers(1, 4),
            st.integers(1, 2),
            st.just(9),
            st.lists(
                st.sampled_from([b"", b"a", b"bc", b"\n", b"d\n", b"x" * 40_000, b"y" * 70_000]), max_size=6
            ),
        ),
    ),
    max_size=6,
)


@given(BATCHES, st.integers(1, 4))
def test_rows_hold_the_items_of_their_batches_in_order_within_their_bounds(batches, most):
    found, read = packed(batches, most), []
    for row in found:
        values = row.task_id, row.attempt, row.number, row.count, row.version, row.at, row.data
        (unpacked,) = stream._unpacked([values])
        assert len(unpacked.data) == row.count <= most
        assert row.count == 1 or sum(map(len, unpacked.data)) <= stream_rows.ROW_BYTES
        read += [(row.log, item) for item in unpacked.items()]
    assert read == [(log, item) for log, batch in batches for item in batch.items()]
