"""`MemoryJournal`: the port over plain dictionaries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from skep.clock import Clock, SystemClock
from skep.core.directory import Kind, touches
from skep.core.events import AnyEvent
from skep.errors import JournalFailed
from skep.journal.announce import Announcer, CommittedRow, same_failure
from skep.journal.base import (
    Entry,
    FailureListener,
    InboxMessage,
    Lease,
    Listener,
    Recorded,
    RunSummary,
    StreamBatch,
    StreamItem,
    Watch,
)
from skep.journal.directory import Directory
from skep.journal.memory.blobs import MemoryBlobs
from skep.journal.memory.inbox import MemoryInbox
from skep.journal.memory.logs import MemoryLogs
from skep.journal.memory.runs import MemoryRuns
from skep.journal.memory.streams import MemoryStreams
from skep.journal.messages import run_ended
from skep.journal.watch import TokenWatch
from skep.limits import DEFAULT_LIMITS, Limits


class MemoryJournal:
    """A journal that ends with its process (url `memory:`).

    What is appended is durable at once, as far as memory can be; listeners hear of it from the loop, in
    order. The last `limits.memory_runs` (100) finished runs are kept, older ones are forgotten with their
    logs, streams and the artifacts that nothing else mentions. Of sessions, which have no end, the last
    `limits.memory_session_events` (10,000) are kept, all sessions together; one of which nothing is left is
    forgotten like a run. Stream items are bounded by `limits.memory_stream_bytes` (64 MiB), too.

    Args:
        limits: bounds.
        clock: what stamps inbox messages; the machine's by default.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, clock: Clock | None = None) -> None:
        self.url = "memory:"
        self._clock = clock or SystemClock()
        self._tell = Announcer()
        self._news: list[CommittedRow] = []
        self._scheduled = False
        self._open = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._logs = MemoryLogs(limits.memory_session_events)
        self._directory = Directory()
        self._runs = MemoryRuns(limits.memory_runs)
        self._streams = MemoryStreams(limits)
        self._leases: dict[str, Lease] = {}
        self._generations: dict[str, int] = {}
        self._inbox = MemoryInbox(limits)
        self._blobs = MemoryBlobs()
        self._counters = {
            "commits": 0,
            "rows": 0,
            "events": 0,
            "stream_dropped": 0,
            "backlog": 0,
        }

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._open = True

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._scheduled:
            self._announce()
        self._leases.clear()
        self._tell.closed()

    # -- writing -------------------------------------------------------------------------------

    def append(
        self, log: str, version: int, events: Sequence[AnyEvent], summary: RunSummary | None = None
    ) -> int:
        self._check(log)
        if not events:
            raise ValueError("an append needs events")
        seq = self._tell.durable = self._tell.durable + 1
        if version != self._logs.next_version(log):
            self._fence(log, seq)
            return seq
        row = self._logs.append(log, version, events)
        self._news.append((row.position, log, version, events))
        if touches(events):
            self._directory.record(log, version, row.position, events)
        if summary is not None:
            self._summarise(log, summary)
        for trimmed in self._logs.trim():
            self._directory.forget(trimmed, before=self._logs.first_version(trimmed))
            if self._logs.is_empty(trimmed):
                self._forget(trimmed)
        if not self._scheduled:
            self._schedule()
        return seq

    @property
    def durable(self) -> int:
        return self._tell.durable

    async def flushed(self, seq: int) -> None:
        await self._tell.flushed(seq)

    def listen(self, on_durable: Listener, on_failure: FailureListener) -> None:
        self._tell.listen(on_durable, on_failure)

    def stream(self, log: str, batch: StreamBatch) -> None:
        if not self._open:
            raise _not_open(self._tell)
        self._streams.put(log, batch)

    async def drained(self) -> None:
        if not self._open:
            raise _not_open(self._tell)

    def _check(self, log: str) -> None:
        if not self._open:
            raise _not_open(self._tell)
        if log in self._tell.fenced:
            raise same_failure(self._tell.fenced[log])

    def _summarise(self, log: str, summary: RunSummary) -> None:
        gone = self._runs.put(log, summary)
        if gone is not None:
            self._logs.drop(gone)
            self._generations.pop(gone, None)
            self._forget(gone)

    def _forget(self, log: str) -> None:
        """Drop what stands beside a log that has gone."""
        self._directory.forget(log)
        self._blobs.drop(log)
        self._streams.drop(log)

    def _fence(self, log: str, seq: int) -> None:
        error = self._tell.lost(log, [seq])
        if error is not None and self._loop is not None:
            self._loop.call_soon(self._tell.warn, error)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._announce)

    def _announce(self) -> None:
        if not self._scheduled:
            return
        self._scheduled = False
        news, self._news = self._news, []
        self._counters["commits"] += 1
        self._counters["rows"] += len(news)
        self._counters["events"] += sum(len(events) for _, _, _, events in news)
        self._tell.committed(self._tell.durable, news)

    # -- reading -------------------------------------------------------------------------------

    async def read(self, log: str, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        return self._logs.read(log, after, limit)

    async def read_last(self, log: str) -> Recorded | None:
        return next(iter(self._logs.read(log, self._logs.next_version(log) - 2, 1)), None)

    async def read_all(self, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        return self._logs.read_all(after, limit)

    async def read_stream(
        self, log: str, task_id: str | None = None, after: int = 0, limit: int = 1_000
    ) -> list[StreamItem]:
        return self._streams.read(log, task_id, after, limit)

    async def get_run(self, run_id: str) -> RunSummary | None:
        return self._runs.get(run_id, self._leases)

    async def list_runs(
        self, *, limit: int = 100, prefix: str = "", status: str | None = None, open_only: bool = False
    ) -> list[RunSummary]:
        return self._runs.list(self._leases, limit=limit, prefix=prefix, status=status, open_only=open_only)

    async def find(self, kind: Kind, key: str) -> Entry | None:
        return self._directory.find(kind, key)

    async def list_entries(
        self, kind: Kind, *, log: str | None = None, after: int = 0, limit: int = 1_000
    ) -> list[Entry]:
        return self._directory.list(kind, log, after, limit)

    # -- ownership -----------------------------------------------------------------------------

    async def acquire(self, log: str) -> Lease:
        if not self._open:
            raise _not_open(self._tell)
        if log not in self._leases:
            generation = self._generations[log] = self._generations.get(log, 0) + 1
            self._leases[log] = Lease(log, generation)
        self._tell.regained(log)
        return self._leases[log]

    async def release(self, log: str) -> None:
        self._leases.pop(log, None)

    async def is_owned(self, log: str) -> bool:
        return log in self._leases

    # -- inbox ---------------------------------------------------------------------------------

    async def send(self, log: str, body: dict[str, Any], *, once: str | None = None) -> int | None:
        status = self._runs.end_of(log)
        if status is not None:
            raise run_ended(log, status)
        return self._inbox.send(log, body, self._clock.now_ms(), once)

    async def receive(self, logs: Sequence[str]) -> list[InboxMessage]:
        return self._inbox.receive(logs)

    async def settle_inbox(self, ids: Sequence[int]) -> None:
        self._inbox.settle(ids)

    def watch(self) -> Watch:
        return TokenWatch(self._sent)

    async def _sent(self) -> int:
        """Nobody else writes here but by the inbox."""
        return self._inbox.sent

    # -- artifacts -----------------------------------------------------------------------------

    def stage_blob(self, data: bytes, *, log: str) -> str:
        self._check(log)
        return self._blobs.put(data, log)

    async def put_blob(self, data: bytes, *, log: str | None = None) -> str:
        if not self._open:
            raise _not_open(self._tell)
        return self._blobs.put(data, log)

    async def get_blob(self, sha256: str, *, log: str | None = None) -> bytes:
        return self._blobs.get(sha256, log)

    # -- one-process facts ---------------------------------------------------------------------

    def stats(self) -> dict[str, int]:
        return {**self._counters, "stream_pruned": self._streams.pruned}


def _not_open(tell: Announcer) -> JournalFailed:
    return (
        same_failure(tell.failure)
        if tell.failure
        else JournalFailed("the journal is not open", fix="call open() first")
    )
