from __future__ import annotations

from skep.journal.base import StreamItem
from skep.journal.sqlite import SqliteJournal, stream
from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.journal.kit import opened


@in_loop
async def test_only_the_logs_that_streamed_last_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "_COUNTED_LOGS", 5)
    async with opened(SqliteJournal(tmp_path / "skep.db", limits=Limits(stream_items=20))) as journal:
        for number in range(1, 22):
            journal.stream("run:a", [StreamItem("t", 1, number, 1, 1, b"x")])
        for other in range(50):
            journal.stream(f"run:{other}", [StreamItem("t", 1, 1, 1, 1, b"x")])
            await journal.acquire(f"run:{other}")
        assert list(journal._stream._since_prune) == [f"run:{other}" for other in range(45, 50)]
        assert [item.number for item in await journal.read_stream("run:a")] == list(range(2, 22))
        assert journal.stats()["stream_pruned"] == 1
