"""One commit: a group of rows as one statement, or one transaction where there is more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from msgspec import Struct

from skep.errors import SkepError
from skep.journal.artifacts import ArtifactFiles
from skep.journal.sqlite import blobs, directory, logs, runs
from skep.journal.sqlite.connection import transaction
from skep.journal.sqlite.group import Group, Row
from skep.journal.sqlite.stream import StreamTable


class Outcome(Struct):
    """What became durable, and what was lost to other owners."""

    rows: list[Row]
    fenced: list[Row]
    pruned: int = 0


class Committer:
    """Writes groups; keeps what it needs between them."""

    def __init__(self, connection: sqlite3.Connection, files: ArtifactFiles, stream: StreamTable) -> None:
        self._connection = connection
        self._files = files
        self._stream = stream

    def commit(self, group: Group) -> Outcome:
        """Make a group durable.

        Raises:
            sqlite3.Error, OSError: nothing of it is (R-stop).
        """
        if group.only_rows and len(group.rows) <= logs.ROWS_A_STATEMENT:
            if not group.rows:
                return Outcome([], [])
            try:
                # Each statement hands the interpreter lock over and has to win it back, so there is one.
                logs.insert(self._connection, group.rows)
            except sqlite3.IntegrityError:
                pass  # a fenced log among them: found below, row by row
            else:
                return Outcome(group.rows, [])
        for blob in group.blobs:
            if not blob.in_place:
                blob.staged = self._files.stage(blob.sha256, blob.data)
        with transaction(self._connection):
            outcome = self._write(group)
        for blob in group.blobs:
            self._files.settle(blob.staged)
        return outcome

    def _write(self, group: Group) -> Outcome:
        for blob in group.blobs:
            blobs.record(self._connection, self._files, blob)
        outcome = Outcome([], [])
        for start in range(0, len(group.rows), logs.ROWS_A_STATEMENT):
            self._insert(group.rows[start : start + logs.ROWS_A_STATEMENT], outcome)
        if group.touching:
            directory.record(self._connection, outcome.rows)
        lost = {row.log for row in outcome.fenced}
        runs.upsert(self._connection, (entry for entry in group.summaries.values() if entry[0] not in lost))
        if group.stream:
            outcome.pruned = self._stream.write(self._connection, group.stream)
        for job in group.jobs:
            try:
                job.result = job.work(self._connection)
            except SkepError as error:
                job.refusal = error
        return outcome

    def _insert(self, rows: list[Row], outcome: Outcome) -> None:
        try:
            logs.insert(self._connection, rows)
        except sqlite3.IntegrityError:
            self._insert_singly(rows, outcome)
        else:
            outcome.rows += rows

    def _insert_singly(self, rows: Iterable[Row], outcome: Outcome) -> None:
        """Only the fenced logs lose their rows."""
        for row in rows:
            if any(other.log == row.log for other in outcome.fenced):
                outcome.fenced.append(row)
                continue
            try:
                logs.insert(self._connection, [row])
            except sqlite3.IntegrityError:
                outcome.fenced.append(row)
            else:
                outcome.rows.append(row)
