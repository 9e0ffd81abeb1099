"""Several processes on one store, side by side."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from skep.journal.sqlite import SqliteJournal
from skep.testing.aio import in_loop
from skep.testing.journal.kit import events, names, opened

WRITER = Path(__file__).parent.parent / "crash" / "journal_writer.py"
EVENTS = 1_500


def start(store, log):
    command = [sys.executable, WRITER, store, log, str(EVENTS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@in_loop
async def test_writers_on_different_logs_lose_nothing(tmp_path):
    store = tmp_path / "skep.db"
    logs = ["run:a", "run:b"]
    children = [start(store, log) for log in logs]
    async with opened(SqliteJournal(store)) as journal:
        version, watch = 0, journal.watch()
        await watch.changed()
        while any(child.poll() is None for child in children):
            version += 1
            await journal.flushed(journal.append("run:ours", version, events(f"run:ours {version}")))
            await journal.list_runs(open_only=True)
        for child in children:
            _, complaint = child.communicate()
            assert (child.returncode, complaint) == (0, "")
        for log, least in (*((log, EVENTS) for log in logs), ("run:ours", version)):
            found = await journal.read(log)
            assert len(found) >= least
            assert names(found) == [f"{log} {number}" for number in range(1, len(found) + 1)]
        positions = [item.position for item in await journal.read_all(0, 100_000)]
        assert positions == sorted(positions)
        assert await watch.changed()
        assert {row.run_id: row.interrupted for row in await journal.list_runs()} == {"a": True, "b": True}
