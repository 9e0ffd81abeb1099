"""The journal port: the only truth, and the contract that every adapter keeps.

Events live in *logs* (`run:ID`, `session:ID`, `engine`) with consecutive versions from 1. `append` is
synchronous and returns at once; a writer makes whatever has gathered durable as one commit and announces
it. `(log, version)` is unique in the store, so an owner that has been replaced cannot append. What several
appends put into one log may be stored as one row; rows get a store-wide `position`, never used twice.

All methods are called on the event loop that opened the journal. `skep.testing.journal` holds the suite
that each adapter passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from skep.core.directory import Kind
from skep.core.events import AnyEvent


class Recorded(Struct, frozen=True):
    """An event as stored. Events of one commit to one log may share a position."""

    position: int
    log: str
    version: int
    event: AnyEvent


class Durable(Struct, frozen=True):
    """What a commit announces: every `append` up to `seq` is durable; `recorded` is what came with it."""

    seq: int
    recorded: Sequence[Recorded]


class RunSummary(Struct, frozen=True, kw_only=True):
    """The row that `list_runs` reads; written in the same commit as the events it sums up.

    `status` is that of the last event (`running`, `suspended`, `done` ...); readers turn a running one
    without a live owner into `interrupted`. Times are milliseconds since the epoch.
    """

    run_id: str
    status: str
    blueprint: str
    blueprint_id: str
    work_dir: str
    created_at: int
    updated_at: int
    steps: int = 0
    error: str | None = None
    interrupted: bool = False
    """Set by readers: the run is open and its owner is gone."""


class Lease(Struct, frozen=True):
    """The right to append to one log; `generation` grows with each owner."""

    log: str
    generation: int


class Entry(Struct, frozen=True):
    """A key of the directory, and where the event stands that brought it."""

    kind: Kind
    key: str
    log: str
    version: int
    position: int


class StreamItem(Struct, frozen=True, gc=False):
    """One partial or progress output: numbered per attempt, anchored to the log version it followed."""

    task_id: str
    attempt: int
    number: int
    version: int
    at: int
    data: bytes


class StreamBatch(Struct, frozen=True, gc=False):
    """Outputs of one attempt that came at once: the first has the number `first`, each has the same anchor."""

    task_id: str
    attempt: int
    first: int
    version: int
    at: int
    data: Sequence[bytes]
    """Of each item; never changed afterwards."""

    def items(self) -> list[StreamItem]:
        """What readers see.

        >>> [(item.number, item.data) for item in StreamBatch("T", 1, 7, 3, 0, [b"a", b"b"]).items()]
        [(7, b'a'), (8, b'b')]
        """
        task_id, attempt, version, at = self.task_id, self.attempt, self.version, self.at
        return [
            StreamItem(task_id, attempt, number, version, at, data)
            for number, data in enumerate(self.data, self.first)
        ]

    def after(self, count: int) -> StreamBatch:
        """This batch without its first `count` items."""
        return StreamBatch(
            self.task_id, self.attempt, self.first + count, self.version, self.at, self.data[count:]
        )


class InboxMessage(Struct, frozen=True):
    """What another process wants of a log's owner; `body` is JSON."""

    id: int
    log: str
    at: int
    body: dict[str, Any]


Listener = Callable[[Durable], None]
FailureListener = Callable[[Exception], None]


class Watch(Protocol):
    """One caller's look at whether others write; nothing to close."""

    async def changed(self) -> bool:
        """Whether somebody else may have written since this watch was last asked; the first time, yes.

        Cheap, for polling.

        Raises:
            JournalFailed: the journal is not open.
            StoreCorrupt, ConfigError, JournalError: the store cannot be read.
        """
        ...


class Journal(Protocol):
    """The port. `url` is how it was opened."""

    url: str

    async def open(self) -> None:
        """Open or create the store, migrate an older schema.

        Raises:
            SchemaTooNew: a newer skep wrote it; nothing was changed.
            StoreCorrupt: not a store of skep, or damaged.
            ConfigError: the place cannot be used.
        """
        ...

    async def close(self) -> None:
        """Make everything appended durable, give leases back, release the store. May be called twice."""
        ...

    # -- writing -------------------------------------------------------------------------------

    def append(
        self, log: str, version: int, events: Sequence[AnyEvent], summary: RunSummary | None = None
    ) -> int:
        """Queue `events` as versions `version`, `version + 1` ... of `log`; returns a sequence number.

        Sequence numbers grow by one an append and belong to this journal object. The sequence of events must
        not be changed afterwards.

        Raises:
            JournalFailed: an earlier commit failed, or the journal is closed (R-stop).
            Fenced: another owner has `log` (see `listen`).
            LimitExceeded: `journal_backlog`.
            ValueError: no events.
        """
        ...

    @property
    def durable(self) -> int:
        """The sequence number up to which everything is durable, but for what was fenced."""
        ...

    async def flushed(self, seq: int) -> None:
        """Return when `durable >= seq`.

        Raises:
            JournalFailed: its commit failed, or an earlier one did.
            Fenced: the append `seq` itself went to a log that another owner has.
        """
        ...

    def listen(self, on_durable: Listener, on_failure: FailureListener) -> None:
        """Call `on_durable` on the loop after every commit, in order, and `on_failure` once if one fails.

        `on_failure` gets `Fenced` (with `log` as `where`) when another owner has appended to a log, and
        `NotRecordable`, which is one, when an event of it could not be encoded: the other logs go on and
        `append` to that log raises the same until it is acquired again. Anything else stops the journal.
        """
        ...

    def stream(self, log: str, batch: StreamBatch) -> None:
        """Queue items for the Stream lane: best effort, in order, never waited for.

        Items that the writer cannot keep up with are dropped, oldest first, and counted. A log keeps its last
        `stream_items`, and at most a fifth more.
        """
        ...

    async def drained(self) -> None:
        """Return when nothing waits in the Stream lane that waits now: for who can slow its source down.

        Raises:
            JournalFailed: the journal has stopped.
        """
        ...

    # -- reading -------------------------------------------------------------------------------

    async def read(self, log: str, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        """Durable events of one log with version > `after`, oldest first, at most about `limit`."""
        ...

    async def read_last(self, log: str) -> Recorded | None:
        """The last durable event of a log."""
        ...

    async def read_all(self, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        """Durable events of all logs with position > `after`, by position; whole rows, about `limit`."""
        ...

    async def read_stream(
        self, log: str, task_id: str | None = None, after: int = 0, limit: int = 1_000
    ) -> list[StreamItem]:
        """Stream items of a log, or of one task of it, with `number > after`, in the order they came."""
        ...

    async def get_run(self, run_id: str) -> RunSummary | None: ...

    async def list_runs(
        self, *, limit: int = 100, prefix: str = "", status: str | None = None, open_only: bool = False
    ) -> list[RunSummary]:
        """Newest first; `prefix` selects by the start of the run id, `open_only` those not ended.

        `status` selects by what a reader sees: an interrupted run is `interrupted`, whatever was recorded.
        """
        ...

    # -- directory -----------------------------------------------------------------------------

    async def find(self, kind: Kind, key: str) -> Entry | None:
        """The entry with exactly this key; `skep.core.directory` says which events make and end one.

        Entries are written in the same commit as their events, and outlive the expiry of what they name.
        """
        ...

    async def list_entries(
        self, kind: Kind, *, log: str | None = None, after: int = 0, limit: int = 1_000
    ) -> list[Entry]:
        """Entries with position > `after`, of one log or of all, by position; whole rows, about `limit`."""
        ...

    # -- ownership -----------------------------------------------------------------------------

    async def acquire(self, log: str) -> Lease:
        """Take the lease of `log`, from nobody or from a dead owner; again by the same owner: the same lease.

        Raises:
            RunOwned: a live process holds it.
        """
        ...

    async def release(self, log: str) -> None:
        """Give a lease back, after all appended to `log` is durable. Unknown leases are ignored."""
        ...

    async def is_owned(self, log: str) -> bool:
        """Whether a live process, this one or another, has the lease of `log`."""
        ...

    # -- inbox ---------------------------------------------------------------------------------

    async def send(self, log: str, body: dict[str, Any], *, once: str | None = None) -> int | None:
        """Leave a message (JSON, at most 1 MiB; at most 1,000 waiting per log) for the owner of `log`; its id.

        Null, and nothing was left, if one with the same `once` waits there: of two that are sent at the same
        moment, by whichever processes, one is left.

        Raises:
            InvalidTransition: `log` is that of a run that has ended: nobody will read it.
            BadValue, LimitExceeded: it cannot be left.
            JournalFailed: the journal has stopped.
        """
        ...

    async def receive(self, logs: Sequence[str]) -> list[InboxMessage]:
        """Waiting messages for these logs, oldest first; they stay until `settle_inbox`.

        One that cannot be understood has an empty body.
        """
        ...

    async def settle_inbox(self, ids: Sequence[int]) -> None: ...

    def watch(self) -> Watch:
        """Look for what others write: everybody who waits has a watch of their own."""
        ...

    # -- artifacts -----------------------------------------------------------------------------

    def stage_blob(self, data: bytes, *, log: str) -> str:
        """Queue bytes for storage and return their SHA-256: they are durable before any later `append` is.

        Raises:
            JournalFailed, LimitExceeded: as `append`.
        """
        ...

    async def put_blob(self, data: bytes, *, log: str | None = None) -> str:
        """Store bytes by their SHA-256 (returned) and note that `log` mentions them; durable on return."""
        ...

    async def get_blob(self, sha256: str, *, log: str | None = None) -> bytes:
        """The bytes; with `log` only if that log mentions them.

        Raises:
            BlobNotFound: unknown, or not mentioned by `log`.
        """
        ...

    # -- one-process facts ---------------------------------------------------------------------

    def stats(self) -> dict[str, int]:
        """Counters: `commits`, `rows`, `events`, `stream_dropped`, `stream_pruned`, `backlog`."""
        ...
