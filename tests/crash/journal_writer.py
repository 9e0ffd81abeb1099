"""A process that writes to a journal: `journal_writer.py STORE LOG [EVENTS]`, for ever or that many events.

It writes a line `VERSION POSITION` for the last event of each commit that was announced as durable.
"""

from __future__ import annotations

import sys

from skep.core.events import TaskPass
from skep.journal.base import RunSummary, StreamBatch
from skep.journal.sqlite import SqliteJournal
from skep.testing.aio import run


def announce(durable):
    last = list(durable.recorded)[-1]
    sys.stdout.write(f"{last.version} {last.position}\n")
    sys.stdout.flush()


def row(log, version):
    return RunSummary(
        run_id=log.removeprefix("run:"),
        status="running",
        blueprint="b",
        blueprint_id="b",
        work_dir="/",
        created_at=1,
        updated_at=version,
        steps=version,
    )


async def write(store, log, total):
    journal = SqliteJournal(store)
    await journal.open()
    journal.listen(announce, lambda error: sys.exit(str(error)))
    await journal.acquire(log)
    last = await journal.read_last(log)
    version = last.version if last else 0
    total += version
    while version < total:
        count = 1 + version * 7 % 5
        events = [TaskPass(at=1, task_id=f"{log} {version + n}") for n in range(1, count + 1)]
        if version % 3 == 0:
            journal.stage_blob(f"{log} {version + 1}".encode(), log=log)
            journal.stream(log, StreamBatch("t", 1, version, version, 1, [b"x", b"y"]))
        seq = journal.append(
            log, version + 1, events, row(log, version + count) if version % 4 == 0 else None
        )
        version += count
        if version % 2:
            await journal.flushed(seq)
    await journal.close()


if __name__ == "__main__":
    run(write(sys.argv[1], sys.argv[2], int(sys.argv[3]) if sys.argv[3:] else 10**9))
