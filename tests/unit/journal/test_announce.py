from __future__ import annotations

import asyncio

import pytest

from skep.core.events import TaskPass
from skep.errors import Fenced, JournalFailed
from skep.journal.announce import Announcer, Committed
from skep.journal.base import Recorded
from skep.testing.aio import in_loop


def event(name):
    return TaskPass(at=1, task_id=name)


def test_committed_is_a_sequence_made_when_looked_at():
    committed = Committed([(7, "run:a", 3, [event("x"), event("y")]), (8, "run:b", 1, [event("z")])])
    everything = [
        Recorded(7, "run:a", 3, event("x")),
        Recorded(7, "run:a", 4, event("y")),
        Recorded(8, "run:b", 1, event("z")),
    ]
    assert len(committed) == 3
    assert list(committed) == everything
    assert committed[-1] == everything[-1]
    assert committed[1:] == everything[1:]


@in_loop
async def test_waiters_wake_in_any_order_they_came():
    tell = Announcer()
    woken = []

    async def wait(seq):
        await tell.flushed(seq)
        woken.append(seq)

    tasks = [asyncio.ensure_future(wait(seq)) for seq in (5, 1, 9, 5, 3)]
    await asyncio.sleep(0)
    for seq, expected in ((2, [1]), (5, [1, 3, 5, 5]), (9, [1, 3, 5, 5, 9])):
        tell.committed(seq, [])
        await asyncio.sleep(0)
        assert sorted(woken) == expected
    await asyncio.gather(*tasks)


@in_loop
async def test_a_failure_is_told_once_and_to_each_waiter_as_its_own_error():
    tell = Announcer()
    failures = []
    tell.listen(lambda _: None, failures.append)
    waiters = [asyncio.ensure_future(tell.flushed(seq)) for seq in (1, 2, 3)]
    await asyncio.sleep(0)
    tell.committed(1, [])
    cause = OSError("disk")
    failure = JournalFailed("commit failed", where="x.db", fix="mend it")
    failure.__cause__ = cause
    tell.failed(failure)
    tell.failed(JournalFailed("again"))
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert outcomes[0] is None
    assert [type(outcome) for outcome in outcomes[1:]] == [JournalFailed, JournalFailed]
    assert outcomes[1] is not outcomes[2]
    assert str(outcomes[1]) == "x.db: commit failed (mend it)"
    assert outcomes[1].__cause__ is cause
    assert failures == [failure]
    with pytest.raises(JournalFailed):
        await tell.flushed(4)
    await tell.flushed(1)


@in_loop
async def test_only_the_lost_appends_of_a_fenced_log_fail():
    tell = Announcer()
    assert tell.lost("run:a", [2, 4]) is not None
    assert tell.lost("run:a", [5]) is None
    tell.committed(6, [])
    for seq in (1, 3, 6):
        await tell.flushed(seq)
    for seq in (2, 4, 5):
        with pytest.raises(Fenced):
            await tell.flushed(seq)
    assert set(tell.fenced) == {"run:a"}
    tell.regained("run:a")
    assert not tell.fenced
    await tell.flushed(2)
