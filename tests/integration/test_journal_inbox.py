"""What others leave in the inbox of a run always reaches its owner, and nothing stays there for ever."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from engines import Agents, blueprint, step
from skep import Engine
from skep.engine.inbox import pump
from skep.errors import InvalidTransition, JournalError, StoreCorrupt
from skep.journal.sqlite import SqliteJournal, readers
from skep.testing.aio import in_loop, run
from skep.testing.journal.kit import events, opened, summary


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/skep.db"


class Blind:
    """A watch that never sees anything."""

    async def changed(self):
        return False


async def hanging(engine):
    agents = Agents(engine)
    handle = await engine.start(blueprint(step("hang")), {})
    await agents.started.wait()
    return handle


def test_followers_take_no_wake_up_from_the_inbox_nor_from_each_other(url):
    async def main():
        async with Engine.open(url) as owner, Engine.open(url, recover="none") as other:
            Agents(owner)
            handles = [await owner.start(blueprint(step("hang")), {}) for _ in range(4)]
            feeds = [engine.run_events(h.id, follow=True) for h in handles for engine in (owner, other)]
            followers = [asyncio.ensure_future(last_of(feed)) for feed in feeds]
            for handle in handles:
                await other.journal.send(f"run:{handle.id}", {"kind": "cancel"})
                async with asyncio.timeout(2):
                    assert (await handle.wait()).status == "cancelled"
            assert set(await asyncio.gather(*followers)) == {"run_finished"}

    async def last_of(feed):
        return [event["kind"] async for event in feed][-1]

    run(main())


def test_the_pump_outlasts_errors_and_loses_no_message_to_them(url, monkeypatch):
    monkeypatch.setattr(pump, "POLL_SECONDS", 0.01)
    errors = [JournalError("odd"), RuntimeError("odder"), StoreCorrupt("oddest")]

    async def main():
        async with Engine.open(url) as owner, Engine.open(url, recover="none") as other:
            receive = owner.journal.receive

            async def failing(logs):
                if errors:
                    raise errors.pop()
                return await receive(logs)

            handle = await hanging(owner)
            await owner.inbox.stop()
            monkeypatch.setattr(owner.journal, "receive", failing)
            await other.journal.send(f"run:{handle.id}", {"kind": "cancel"})
            owner.inbox.start()
            assert (await handle.wait()).status == "cancelled"
            return owner.stats()

    stats = run(main())
    assert stats["inbox_errors"] == 3
    assert stats.get("inbox_dropped", 0) == 0


def test_the_pause_after_errors_is_bounded(url, monkeypatch, caplog):
    monkeypatch.setattr(pump, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(pump, "LONGEST_PAUSE", 0.3)

    async def main():
        async with Engine.open(url) as owner:
            await hanging(owner)
            await owner.inbox.stop()
            looks = asyncio.Semaphore(0)

            async def failing(logs):
                looks.release()
                raise JournalError("never")

            monkeypatch.setattr(owner.journal, "receive", failing)
            owner.inbox.start()
            for _ in range(4):
                await looks.acquire()

    run(main())
    pauses = [message.split("again in ")[1][:5] for message in caplog.messages if "again in" in message]
    assert pauses[:4] == ["0.2 s", "0.3 s", "0.3 s", "0.3 s"]


def test_stopping_never_raises_what_the_pump_raised(monkeypatch):
    async def main():
        async with Engine.open("memory:") as engine:
            monkeypatch.setattr(engine.journal, "watch", None)
            await hanging(engine)
            await asyncio.sleep(0)
            assert isinstance(engine.inbox._pump._task.exception(), TypeError)

    run(main())


def test_a_message_older_than_its_owner_is_noticed(url, monkeypatch):
    async def main():
        async with Engine.open(url) as first:
            handle = await hanging(first)
        async with Engine.open(url, recover="none") as owner:
            monkeypatch.setattr(owner.journal, "watch", Blind)
            await owner.journal.send(f"run:{handle.id}", {"kind": "cancel"})
            await hanging(owner)
            return await (await owner.resume_run(handle.id)).wait()

    assert run(main()).status == "cancelled"


def test_what_came_too_late_for_a_run_is_dropped_and_counted(url, monkeypatch, caplog):
    async def main():
        async with Engine.open(url) as owner, Engine.open(url, recover="none") as other:
            receive, looked = owner.journal.receive, asyncio.Event()

            async def telling(logs):
                found = await receive(logs)
                looked.set()
                return found

            monkeypatch.setattr(owner.journal, "watch", Blind)
            monkeypatch.setattr(owner.journal, "receive", telling)
            agents = Agents(owner)
            handle = await owner.start(blueprint(step("gate")), {})
            await agents.started.wait()
            log = f"run:{handle.id}"
            await looked.wait()
            await other.journal.send(log, {"kind": "cancel"})
            agents.release.set()
            assert (await handle.wait()).status == "done"
            with pytest.raises(InvalidTransition, match="done"):
                await other.journal.send(log, {"kind": "cancel"})
            await owner.inbox._pump._task
            return await other.journal.receive([log]), owner.stats()["inbox_dropped"]

    assert run(main()) == ([], 1)
    assert [message for message in caplog.messages if "after the run had ended" in message]


@in_loop
async def test_what_a_dead_owner_left_unread_is_swept(tmp_path, caplog):
    async with opened(SqliteJournal(tmp_path / "skep.db")) as journal:
        await journal.flushed(journal.append("run:a", 1, events("x"), summary("a")))
        await journal.send("run:a", {"kind": "cancel"})
        kept = await journal.send("run:b", {"kind": "cancel"})
        await journal.flushed(journal.append("run:a", 2, events("y"), summary("a", "done")))
    async with opened(SqliteJournal(tmp_path / "skep.db")) as journal:
        assert [message.id for message in await journal.receive(["run:a", "run:b"])] == [kept]
    assert caplog.messages == ["1 messages to runs that have ended were dropped"]


@in_loop
async def test_a_damaged_message_keeps_no_other_from_being_read(tmp_path):
    async with opened(SqliteJournal(tmp_path / "skep.db")) as journal:
        with closing(sqlite3.connect(tmp_path / "skep.db")) as connection, connection:
            for body in (b"{", b"[1]", "null", 7, b'{"a": "\xff"}', b"[" * 100_000):
                connection.execute("INSERT INTO inbox (log, at, body) VALUES ('run:a', 1, ?)", (body,))
        await journal.send("run:a", {"n": 1})
        assert [message.body for message in await journal.receive(["run:a"])] == [*[{}] * 6, {"n": 1}]


@pytest.mark.parametrize(
    ("error", "told"),
    [(sqlite3.OperationalError("busy"), JournalError), (sqlite3.DatabaseError("malformed"), JournalError)],
)
@in_loop
async def test_a_look_that_fails_is_an_error_of_ours(tmp_path, monkeypatch, error, told):
    def refuse(path):
        raise error

    async with opened(SqliteJournal(tmp_path / "skep.db")) as journal:
        monkeypatch.setattr(readers, "connect_reader", refuse)
        with pytest.raises(told, match=str(error)):
            await journal.watch().changed()
