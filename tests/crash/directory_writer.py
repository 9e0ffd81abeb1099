"""A process that asks and answers for ever: `directory_writer.py STORE LOG`; a line for each commit."""

from __future__ import annotations

import sys

from msgspec import Raw

from skep.core.events import QuestionAnswered, QuestionAsked, TaskPass, WorkClaimed
from skep.core.outputs import Inline
from skep.journal.sqlite import SqliteJournal
from skep.testing.aio import run


def events(log, turn):
    """What one commit brings: a question, a claim of it, and the end of the one before."""
    key = f"{log} {turn}"
    return [
        QuestionAsked(
            at=1, key=key, question=Inline(Raw(b'"?"')), digest="d", audience=("seat:a",), what="work"
        ),
        WorkClaimed(
            at=1, key=key, task_id="T", holder="h", generation=1, handle=f"handle of {key}", lease_until=9
        ),
        TaskPass(at=1, task_id="T"),
        QuestionAnswered(at=1, key=f"{log} {turn - 1}", answer=Inline(Raw(b"1")), by="h"),
    ]


async def write(store, log):
    journal = SqliteJournal(store)
    await journal.open()
    await journal.acquire(log)
    last = await journal.read_last(log)
    version = last.version if last else 0
    while True:
        turn = version // 4 + 1
        seq = journal.append(log, version + 1, events(log, turn))
        version += 4
        if turn % 3:
            await journal.flushed(seq)
            sys.stdout.write(f"{version}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    run(write(*sys.argv[1:]), timeout=300)
