"""The writer thread: takes what has gathered, commits it, tells the loop. It alone writes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

from msgspec import Struct

from skep.errors import JournalFailed, NotRecordable
from skep.journal.announce import same_failure
from skep.journal.sqlite.commit import Committer, Outcome
from skep.journal.sqlite.group import Blob, Group, Job, gather
from skep.journal.stream import StreamQueue
from skep.limits import Limits

_CLOSE = object()


class Opened(Struct):
    """What the thread needs for its work; made by the thread itself."""

    committer: Committer
    close: Callable[[], None]
    """Gives leases back and closes the connection; raises what goes wrong."""


class Reports(Struct):
    """Whom the thread tells, on the loop's thread."""

    committed: Callable[[Group, Outcome], None]
    failed: Callable[[JournalFailed], None]


class Writer:
    """One thread, one queue.

    Args:
        prepare: opens the store; runs in the thread.
        explain: what the error of a commit means.
    """

    def __init__(
        self,
        prepare: Callable[[], Opened],
        explain: Callable[[Exception], JournalFailed],
        reports: Reports,
        limits: Limits,
    ) -> None:
        self._prepare = prepare
        self._explain = explain
        self._reports = reports
        self._limits = limits
        self._queue: deque[object] = deque()
        self._signals: SimpleQueue[None] = SimpleQueue()
        self._signalled = False
        self._stream = StreamQueue(limits)
        self.broken: dict[str, NotRecordable] = {}
        """Logs of which something could not be encoded: what follows would leave a gap. The thread's own."""
        self._failure: JournalFailed | None = None
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon: an engine that is never closed must not keep its process from ending.
        self._thread = threading.Thread(target=self._main, name="skep-journal", daemon=True)

    @property
    def stream(self) -> StreamQueue:
        return self._stream

    def put(self, item: object) -> None:
        """Queue an `Append`, `Blob` or `Job`."""
        self._queue.append(item)
        self.wake()

    def wake(self) -> None:
        """Have the thread look at its queues, once what is ready on the loop has run: it gathers more so."""
        if not self._signalled:
            self._signalled = True
            self._loop.call_soon(self._signals.put, None)

    async def start(self) -> None:
        """Start the thread; raises what `prepare` raises."""
        self._thread.start()
        await asyncio.shield(self._started)

    async def do(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run `work` as part of the next commit; returns its result when that is durable.

        Raises:
            SkepError: `work` refused.
            JournalFailed: the journal has stopped.
        """
        done: asyncio.Future[Any] = self._loop.create_future()
        self.put(Job(work, done))
        return await done

    async def close(self) -> None:
        """Commit everything queued, then end the thread."""
        self.put(_CLOSE)
        await asyncio.shield(self._ended)
        self._thread.join()

    # -- in the thread -------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            opened = self._prepare()
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller of `start`
            self._tell(_fail, self._started, error)
        else:
            self._tell(_succeed, self._started, None)
            self._work(opened)
        self._tell(_succeed, self._ended, None)

    def _work(self, opened: Opened) -> None:
        while self._turn(opened.committer):
            pass
        try:
            opened.close()
        except Exception as error:  # noqa: BLE001 - told like a failing commit, unless that was told already
            self._stop(error)

    def _turn(self, committer: Committer) -> bool:
        """One commit of whatever has gathered; whether to go on."""
        items = self._take()
        group = None
        if self._failure is None:
            try:
                group = gather(items, self._stream.take(), self._limits, self.broken)
                outcome = committer.commit(group)
            except Exception as error:  # noqa: BLE001 - any failure to commit stops the journal (R-stop)
                self._stop(error)
            else:
                self._tell(self._report, group, outcome)
        if self._failure is not None:
            self._tell(_refuse, items, self._failure)
        return all(item is not _CLOSE for item in items)

    def _take(self) -> list[object]:
        """Wait for a signal, then take everything that has gathered."""
        self._signals.get()
        # Before the queue is emptied: what comes later finds it false and signals again.
        self._signalled = False
        queue = self._queue
        return [queue.popleft() for _ in range(len(queue))]

    def _stop(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = self._explain(error)
            self._failure.__cause__ = error
            self._tell(self._reports.failed, self._failure)

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            if not self._loop.is_closed():
                raise
            # The loop ended without closing the journal: there is nobody left to tell.

    # -- on the loop ---------------------------------------------------------------------------

    def _report(self, group: Group, outcome: Outcome) -> None:
        self._reports.committed(group, outcome)
        for blob in group.blobs:
            _succeed(blob.done, None)
        for job in group.jobs:
            if job.refusal is None:
                _succeed(job.done, job.result)
            else:
                _fail(job.done, job.refusal)


def _refuse(items: Iterable[object], failure: JournalFailed) -> None:
    for item in items:
        if isinstance(item, Job | Blob):
            _fail(item.done, same_failure(failure))


def _succeed(done: asyncio.Future[Any] | None, result: object) -> None:
    if done is not None and not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[Any] | None, error: Exception) -> None:
    if done is not None and not done.done():
        done.set_exception(error)
