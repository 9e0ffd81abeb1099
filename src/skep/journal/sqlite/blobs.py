"""The tables `blobs` and `mentions`: which artifacts there are, and which logs may read them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from skep.journal.artifacts import ArtifactFiles
from skep.journal.sqlite.connection import transaction
from skep.journal.sqlite.group import Blob

_RECORD = "INSERT OR IGNORE INTO blobs (sha256, size, at) VALUES (?, ?, ?)"
_MENTION = "INSERT OR IGNORE INTO mentions (log, sha256) VALUES (?, ?)"
_KNOWN = "SELECT 1 FROM blobs WHERE sha256 = ?"
_MENTIONED = "SELECT 1 FROM mentions WHERE log = ? AND sha256 = ?"


def record(connection: sqlite3.Connection, files: ArtifactFiles, blob: Blob) -> None:
    """Note an artifact whose file is in place; inside a transaction."""
    if not files.has(blob.sha256):
        # It was there when we looked, as an orphan that another process has swept since: not under our lock.
        blob.staged = files.stage(blob.sha256, blob.data)
    connection.execute(_RECORD, (blob.sha256, len(blob.data), blob.at))
    if blob.log is not None:
        connection.execute(_MENTION, (blob.log, blob.sha256))


def known(connection: sqlite3.Connection, sha256: str, log: str | None = None) -> bool:
    """Whether the store has this artifact, and `log` mentions it."""
    row = connection.execute(
        *((_KNOWN, (sha256,)) if log is None else (_MENTIONED, (log, sha256)))
    ).fetchone()
    return row is not None


def sweep(connection: sqlite3.Connection, files: ArtifactFiles) -> int:
    """Remove files that a crash left without a row; returns how many."""
    leftovers = files.leftovers()
    if not leftovers:
        return 0
    with transaction(connection):
        return files.sweep(leftovers, lambda sha256: known(connection, sha256))


def artifact_root(store: Path) -> Path:
    """Where the artifacts of the store at `store` are."""
    return store.with_name(f"{store.name}.blobs")
