"""Opening a store and letting go of it, in the writer's thread."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from skep.journal import place
from skep.journal.artifacts import ArtifactFiles
from skep.journal.sqlite import blobs, inbox, leases, schema
from skep.journal.sqlite.commit import Committer
from skep.journal.sqlite.connection import connect_writer, unusable
from skep.journal.sqlite.stream import StreamTable
from skep.journal.sqlite.url import SqliteUrl
from skep.journal.sqlite.writer import Opened


def open_store(url: SqliteUrl, files: ArtifactFiles, stream: StreamTable, owner: str) -> Opened:
    """Make or migrate the store and sweep what a crash left.

    Raises:
        SchemaTooNew, StoreCorrupt, ConfigError: see `Journal.open`; the file is as it was.
    """
    path = Path(url.path)
    place.prepare(path)
    try:
        connection = connect_writer(path, url.synchronous)
    except sqlite3.Error as error:
        raise unusable(error, path) from error
    try:
        schema.migrate(connection, path, schema.migrations())
        blobs.sweep(connection, files)
        inbox.sweep(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise unusable(error, path) from error
        raise

    def close() -> None:
        try:
            leases.release_all(connection, owner)
        finally:
            connection.close()

    return Opened(Committer(connection, files, stream), close)
