"""`SqliteJournal`: the port over one file. It only wires; each table has a file of its own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import sqlite3
from collections.abc import Sequence
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from skep.clock import Clock, SystemClock
from skep.core.directory import Kind
from skep.core.events import AnyEvent
from skep.errors import Fenced, JournalFailed, LimitExceeded
from skep.journal import owner
from skep.journal.announce import Announcer, same_failure
from skep.journal.artifacts import ArtifactFiles, blob_not_found, is_digest
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
from skep.journal.messages import encode_message
from skep.journal.sqlite import blobs, directory, inbox, leases, logs, runs, stream
from skep.journal.sqlite.commit import Outcome
from skep.journal.sqlite.connection import commit_failed
from skep.journal.sqlite.group import Append, Blob, Group
from skep.journal.sqlite.opening import open_store
from skep.journal.sqlite.readers import Readers
from skep.journal.sqlite.stream import StreamTable
from skep.journal.sqlite.url import SqliteUrl, Synchronous, parse_sqlite_url
from skep.journal.sqlite.writer import Reports, Writer
from skep.journal.watch import TokenWatch
from skep.limits import DEFAULT_LIMITS, Limits


class SqliteJournal:
    """A journal in one SQLite file; several processes may share it, each owning its own runs.

    A missing file is made (0600), with its directories (0700); artifacts stand beside it in `FILE.blobs/`.

    Args:
        path: the file.
        synchronous: what a commit survives: `full` (default) a power cut; `normal` the death of the
            process, while a power cut may take the last commits; `memory` the death of the process only, a
            power cut may damage the store.
        limits: bounds.
        clock: what stamps leases, messages and artifacts; the machine's by default.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        synchronous: Synchronous = "full",
        limits: Limits = DEFAULT_LIMITS,
        clock: Clock | None = None,
    ) -> None:
        self._address = SqliteUrl(fspath(path), synchronous)
        self.url = str(self._address)
        self._path = Path(path)
        self._limits = limits
        self._clock = clock or SystemClock()
        self._owner = secrets.token_hex(16)
        self._files = ArtifactFiles(blobs.artifact_root(self._path), sync=synchronous == "full")
        self._stream = StreamTable(limits.stream_items)
        self._readers = Readers(self._path)
        self._tell = Announcer()
        self._writer: Writer | None = None
        self._closing: asyncio.Task[None] | None = None
        self._closed = False
        self._seq = 0
        self._generations: dict[str, int] = {}
        self._backlog = 0
        self._blob_backlog = 0
        self._counters = {"commits": 0, "rows": 0, "events": 0, "stream_pruned": 0}

    @classmethod
    def from_url(cls, url: str, limits: Limits = DEFAULT_LIMITS) -> SqliteJournal:
        """The journal that `sqlite:///FILE[?synchronous=...]` names; not yet opened.

        Raises:
            ConfigError: see `parse_sqlite_url`.
        """
        address = parse_sqlite_url(url)
        return cls(address.path, synchronous=address.synchronous, limits=limits)

    async def open(self) -> None:
        if self._writer is not None:
            raise JournalFailed("a journal is opened once", where=str(self._path), fix="make another one")
        prepare = partial(open_store, self._address, self._files, self._stream, self._owner)
        reports = Reports(self._committed, self._tell.failed)
        writer = Writer(prepare, partial(commit_failed, path=self._path), reports, self._limits)
        try:
            await writer.start()
        except BaseException:
            await writer.close()
            raise
        owner.enter(self._owner)
        self._writer = writer

    async def close(self) -> None:
        if self._writer is None:
            return
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(self._writer))
        await asyncio.shield(self._closing)

    async def _close(self, writer: Writer) -> None:
        failed_before = self._tell.failure is not None
        await writer.close()
        self._closed = True
        await self._readers.close()
        owner.leave(self._owner)
        failure = self._tell.failure
        self._tell.closed()
        if failure is not None and not failed_before:
            raise same_failure(failure)

    # -- writing -------------------------------------------------------------------------------

    def append(
        self, log: str, version: int, events: Sequence[AnyEvent], summary: RunSummary | None = None
    ) -> int:
        writer = self._writable(log)
        if not events:
            raise ValueError("an append needs events")
        backlog = self._backlog + len(events)
        if backlog > self._limits.journal_backlog:
            raise LimitExceeded("journal_backlog", self._limits.journal_backlog, where=log)
        self._backlog = backlog
        self._seq = seq = self._seq + 1
        writer.put(Append(seq, log, self._generations.get(log, 0), version, events, summary))
        return seq

    @property
    def durable(self) -> int:
        return self._tell.durable

    async def flushed(self, seq: int) -> None:
        await self._tell.flushed(seq)

    def listen(self, on_durable: Listener, on_failure: FailureListener) -> None:
        self._tell.listen(on_durable, on_failure)

    def stream(self, log: str, batch: StreamBatch) -> None:
        writer = self._working()
        if writer.stream.put(log, batch):
            writer.wake()

    async def drained(self) -> None:
        await self._working().do(lambda _: None)  # is done with the commit that takes what is queued now

    def _working(self) -> Writer:
        if self._tell.failure is not None:
            raise same_failure(self._tell.failure)
        if self._writer is None or self._closing is not None:
            raise _not_open(self._path)
        return self._writer

    def _writable(self, log: str) -> Writer:
        writer = self._working()
        if log in self._tell.fenced:
            raise same_failure(self._tell.fenced[log])
        return writer

    def _committed(self, group: Group, outcome: Outcome) -> None:
        for row in outcome.fenced:
            self._lost(row.log, [append.seq for append in row.appends])
        for append, error in group.refused:
            self._lost(append.log, [append.seq], error)
        self._count(group, outcome)
        if group.seq:
            self._tell.committed(group.seq, [row.committed() for row in outcome.rows])

    def _lost(self, log: str, seqs: Sequence[int], error: Fenced | None = None) -> None:
        news = self._tell.lost(log, seqs, error)
        if news is not None:
            self._tell.warn(news)

    def _count(self, group: Group, outcome: Outcome) -> None:
        self._backlog -= sum(row.count for row in group.rows)
        self._backlog -= sum(len(append.events) for append, _ in group.refused)
        self._blob_backlog -= sum(len(blob.data) for blob in group.blobs if blob.done is None)
        counters = self._counters
        counters["commits"] += 1
        counters["rows"] += len(outcome.rows)
        counters["events"] += sum(row.count for row in outcome.rows)
        counters["stream_pruned"] += outcome.pruned

    # -- reading -------------------------------------------------------------------------------

    def _reading(self) -> Readers:
        """Reading goes on when commits have failed; not before the store is open, nor once it is closed."""
        if self._writer is None or self._closed:
            raise _not_open(self._path)
        return self._readers

    async def read(self, log: str, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        return await self._reading().read(logs.read, log, after, limit)

    async def read_last(self, log: str) -> Recorded | None:
        return await self._reading().read(logs.read_last, log)

    async def read_all(self, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        return await self._reading().read(logs.read_all, after, limit)

    async def read_stream(
        self, log: str, task_id: str | None = None, after: int = 0, limit: int = 1_000
    ) -> list[StreamItem]:
        return await self._reading().read(stream.read, log, task_id, after, limit)

    async def get_run(self, run_id: str) -> RunSummary | None:
        return await self._reading().read(runs.get_run, run_id)

    async def list_runs(
        self, *, limit: int = 100, prefix: str = "", status: str | None = None, open_only: bool = False
    ) -> list[RunSummary]:
        return await self._reading().read(
            runs.list_runs, limit=limit, prefix=prefix, status=status, open_only=open_only
        )

    async def find(self, kind: Kind, key: str) -> Entry | None:
        return await self._reading().read(directory.find, kind, key)

    async def list_entries(
        self, kind: Kind, *, log: str | None = None, after: int = 0, limit: int = 1_000
    ) -> list[Entry]:
        return await self._reading().read(directory.list_entries, kind, log, after, limit)

    # -- ownership -----------------------------------------------------------------------------

    async def acquire(self, log: str) -> Lease:
        writer, now_ms = self._working(), self._clock.now_ms()

        def take(connection: sqlite3.Connection) -> Lease:
            lease = leases.acquire(connection, log, self._owner, now_ms)
            writer.broken.pop(log, None)
            return lease

        lease: Lease = await writer.do(take)
        self._generations[log] = lease.generation
        self._tell.regained(log)
        return lease

    async def release(self, log: str) -> None:
        await self._working().do(partial(leases.release, log=log, owner=self._owner))
        self._generations.pop(log, None)

    async def is_owned(self, log: str) -> bool:
        return await self._reading().read(leases.is_held, log)

    # -- inbox ---------------------------------------------------------------------------------

    async def send(self, log: str, body: dict[str, Any], *, once: str | None = None) -> int | None:
        data = encode_message(log, body, self._limits)
        now_ms = self._clock.now_ms()
        send = partial(inbox.send, to=log, body=data, once=once, now_ms=now_ms, limits=self._limits)
        return await self._working().do(send)

    async def receive(self, logs: Sequence[str]) -> list[InboxMessage]:
        return await self._reading().read(inbox.receive, logs)

    async def settle_inbox(self, ids: Sequence[int]) -> None:
        await self._working().do(partial(inbox.settle, ids=ids))

    def watch(self) -> Watch:
        return TokenWatch(self._data_version)

    async def _data_version(self) -> int:
        return await self._reading().data_version()

    # -- artifacts -----------------------------------------------------------------------------

    def stage_blob(self, data: bytes, *, log: str) -> str:
        writer = self._writable(log)
        backlog = self._blob_backlog + len(data)
        if backlog > self._limits.blob_backlog_bytes:
            raise LimitExceeded("blob_backlog_bytes", self._limits.blob_backlog_bytes, where=log)
        self._blob_backlog = backlog
        sha256 = hashlib.sha256(data).hexdigest()
        writer.put(Blob(sha256, data, log, self._clock.now_ms()))
        return sha256

    async def put_blob(self, data: bytes, *, log: str | None = None) -> str:
        writer = self._working()
        blob = await self._reading().run(self._prepare_blob, data, log)
        blob.done = asyncio.get_running_loop().create_future()
        writer.put(blob)
        await blob.done
        return blob.sha256

    def _prepare_blob(self, data: bytes, log: str | None) -> Blob:
        """Hash and write a file beside the writer thread, which need not wait for it."""
        blob = Blob(hashlib.sha256(data).hexdigest(), data, log, self._clock.now_ms())
        # The writer tries again what fails here, and stops the journal if that fails too.
        with contextlib.suppress(OSError):
            blob.staged = self._files.stage(blob.sha256, data)
            blob.in_place = True
        return blob

    async def get_blob(self, sha256: str, *, log: str | None = None) -> bytes:
        if not is_digest(sha256) or not await self._reading().read(blobs.known, sha256, log):
            raise blob_not_found(sha256, log)
        return await self._reading().run(self._files.read, sha256)

    # -- one-process facts ---------------------------------------------------------------------

    def stats(self) -> dict[str, int]:
        dropped = 0 if self._writer is None else self._writer.stream.dropped
        return {**self._counters, "stream_dropped": dropped, "backlog": self._backlog}


def _not_open(path: Path) -> JournalFailed:
    return JournalFailed("the journal is not open", where=str(path), fix="call open() first")
