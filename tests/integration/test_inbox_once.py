"""What another process asks of a run is done once, however often its message is found."""

from __future__ import annotations

import asyncio

from engines import blueprint, path
from skep import Engine
from skep.engine.inbox import elsewhere, pump
from skep.errors import JournalError
from skep.testing.aio import run

LISTENING = [
    {"kind": "wait", "signal": "go", "out": path("$.first")},
    {"kind": "wait", "signal": "go", "out": path("$.second")},
]


def test_a_message_that_could_not_be_settled_is_not_carried_out_again(tmp_path, monkeypatch):
    monkeypatch.setattr(pump, "POLL_SECONDS", 0.001)
    url = f"sqlite:///{tmp_path}/s.db"

    async def main():
        async with Engine.open(url) as owner, Engine.open(url, recover="none") as other:
            settle, broken = owner.journal.settle_inbox, [True, True]

            async def settle_inbox(ids):
                if broken:
                    broken.pop()
                    raise JournalError("not now")
                await settle(ids)

            owner.journal.settle_inbox = settle_inbox
            handle = await owner.start(blueprint(LISTENING))
            assert (await other.signal(None, handle.id, "go", 1)).acted
            while broken or await owner.journal.receive([f"run:{handle.id}"]):
                await asyncio.sleep(0.001)
            await other.signal(None, handle.id, "go", 2)
            return await handle.result(), owner.stats()["inbox_errors"]

    assert run(main()) == ({"first": 1, "second": 2}, 2)


def test_a_message_that_a_dead_owner_acted_on_is_only_settled_by_the_next(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pump, "POLL_SECONDS", 0.001)
    url = f"sqlite:///{tmp_path}/s.db"

    async def main():
        async with Engine.open(url, recover="none") as other:
            async with Engine.open(url) as owner:

                async def settle_inbox(_ids):
                    raise JournalError("never")

                owner.journal.settle_inbox = settle_inbox
                handle = await owner.start(blueprint(LISTENING))
                assert (await other.signal(None, handle.id, "go", 1)).acted
            caplog.clear()
            async with Engine.open(url, recover="none") as owner:
                handle = await owner.resume_run(handle.id)
                assert await owner.journal.receive([f"run:{handle.id}"]) == []
                await owner.signal(None, handle.id, "go", 2)
                return await handle.result()

    assert run(main()) == {"first": 1, "second": 2}
    assert caplog.text == ""


def test_who_asks_is_told_soon_that_the_owner_has_died(tmp_path, monkeypatch):
    monkeypatch.setattr(elsewhere, "POLL_SECONDS", 0.001)
    url = f"sqlite:///{tmp_path}/s.db"

    async def main():
        async with Engine.open(url) as owner, Engine.open(url, recover="none") as other:
            handle = await owner.start(blueprint(LISTENING))
            owner.inbox._pump.look = asyncio.Event().wait
            sending = asyncio.create_task(other.signal(None, handle.id, "go", 1))
            while not await other.journal.receive([f"run:{handle.id}"]):
                await asyncio.sleep(0.001)

            async def dead(_log):
                return False

            other.journal.is_owned = dead
            return await sending

    assert not run(main(), timeout=20).acted
