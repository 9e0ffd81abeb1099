"""What the writer makes durable together: one group, one commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from skep.core.directory import touches
from skep.core.events import AnyEvent
from skep.errors import NotRecordable, SkepError
from skep.journal.announce import CommittedRow
from skep.journal.base import RunSummary, StreamBatch
from skep.journal.codec import encode_events, join
from skep.limits import Limits


class Append(Struct, gc=False):
    """One call of `append`, in the queue."""

    seq: int
    log: str
    generation: int
    version: int
    events: Sequence[AnyEvent]
    summary: RunSummary | None


class Blob(Struct):
    """Bytes for the store; `in_place` when their file is written already."""

    sha256: str
    data: bytes
    log: str | None
    at: int
    in_place: bool = False
    staged: Path | None = None
    done: asyncio.Future[None] | None = None


class Job(Struct):
    """Another write, of a caller who waits for it; it refuses with a `SkepError` before it writes."""

    work: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]
    result: Any = None
    refusal: SkepError | None = None


class Row(Struct):
    """Appends to one log that follow each other, stored as one row."""

    log: str
    version: int
    generation: int
    at: int
    count: int
    size: int
    chunks: list[bytes]
    appends: list[Append]
    touching: bool = False
    """The directory changes with it."""
    position: int = 0

    def data(self) -> bytes:
        return join(self.chunks)

    def committed(self) -> CommittedRow:
        if len(self.appends) == 1:
            return self.position, self.log, self.version, self.appends[0].events
        return (
            self.position,
            self.log,
            self.version,
            [event for append in self.appends for event in append.events],
        )


class Group(Struct):
    """Rows in order, then everything that only some commits carry."""

    rows: list[Row]
    summaries: dict[str, tuple[str, RunSummary]]
    stream: list[tuple[str, StreamBatch]]
    blobs: list[Blob]
    jobs: list[Job]
    refused: list[tuple[Append, NotRecordable]]
    """What could not be encoded, and what followed it in its log."""
    touching: bool = False
    """The directory changes with a row of it."""
    seq: int = 0

    @property
    def only_rows(self) -> bool:
        return not (self.summaries or self.stream or self.blobs or self.jobs or self.touching)


def gather(
    items: Iterable[object],
    stream: list[tuple[str, StreamBatch]],
    limits: Limits,
    broken: dict[str, NotRecordable],
) -> Group:
    """Sort queued items into a group; notes in `broken` the logs of which something cannot be encoded."""
    group = Group([], {}, stream, [], [], [])
    for item in items:
        if type(item) is Append:
            group.seq = item.seq
            if item.log not in broken:
                _add(group, item, limits, broken)
            if item.log in broken:
                group.refused.append((item, broken[item.log]))
        elif type(item) is Blob:
            group.blobs.append(item)
        elif type(item) is Job:
            group.jobs.append(item)
    return group


def _add(group: Group, append: Append, limits: Limits, broken: dict[str, NotRecordable]) -> None:
    try:
        chunk = encode_events(append.events)
        if append.summary is not None:
            msgspec.json.encode(append.summary)
            group.summaries[append.summary.run_id] = (append.log, append.summary)
    except (TypeError, ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
        broken[append.log] = _not_recordable(append, error)
        return
    row = _row(group, append, chunk, limits)
    if touches(append.events):
        row.touching = group.touching = True


def _row(group: Group, append: Append, chunk: bytes, limits: Limits) -> Row:
    """Store an append in the last row, if it fits, or in a new one."""
    last = group.rows[-1] if group.rows else None
    if last is not None and _fits(last, append, len(chunk), limits):
        last.count += len(append.events)
        last.size += len(chunk)
        last.chunks.append(chunk)
        last.appends.append(append)
        return last
    at = append.events[0].at
    row = Row(
        append.log, append.version, append.generation, at, len(append.events), len(chunk), [chunk], [append]
    )
    group.rows.append(row)
    return row


def _not_recordable(append: Append, cause: Exception) -> NotRecordable:
    kinds = ", ".join(dict.fromkeys(type(event).__name__ for event in append.events))
    error = NotRecordable(
        f"{kinds} at version {append.version} cannot be written as JSON: {cause}",
        where=append.log,
        fix="all before it is recorded: mend what made it, then resume",
    )
    error.__cause__ = cause
    return error


def _fits(row: Row, append: Append, size: int, limits: Limits) -> bool:
    """Only neighbours share a row: a commit keeps the order in which logs were appended to."""
    return (
        append.log == row.log
        and append.version == row.version + row.count
        and append.generation == row.generation
        and row.count + len(append.events) <= limits.journal_row_events
        and row.size + size <= limits.journal_row_bytes
    )
