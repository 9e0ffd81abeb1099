"""What a store still knows when it is opened again."""
# ruff: noqa: S101 - pytest's assertions, on literal expectations

from __future__ import annotations

from skep.testing.aio import in_loop
from skep.testing.journal.kit import NewStore, Part, batch, events, items, names, opened, summary


class PersistenceContract(Part):
    """What a store still knows when it is opened again."""

    @in_loop
    async def test_everything_is_there_after_reopening(self, new_store: NewStore) -> None:
        self.reopening()
        store = new_store()
        async with opened(store()) as journal:
            lease = await journal.acquire("run:a")
            seq = journal.append("run:a", 1, events("x"), summary("a"))
            sha256 = journal.stage_blob(b"kept", log="run:a")
            journal.stream("run:a", batch("t", 1))
            message = await journal.send("run:a", {"kind": "cancel"})
            await journal.flushed(seq)
            position = (await journal.read_all())[-1].position
        async with opened(store()) as journal:
            row = await journal.get_run("a")
            assert row is not None
            assert row.interrupted
            assert (await journal.acquire("run:a")).generation == lease.generation + 1
            await journal.flushed(journal.append("run:a", 2, events("y")))
            assert names(await journal.read("run:a")) == ["x", "y"]
            assert (await journal.read_all(position))[0].position > position
            assert await journal.get_blob(sha256, log="run:a") == b"kept"
            assert await journal.read_stream("run:a") == items("t", 1)
            assert [found.id for found in await journal.receive(["run:a"])] == [message]
