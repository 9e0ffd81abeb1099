"""Reader threads, each with a connection of its own: reading holds up neither the loop nor the writer."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from skep.journal.sqlite.connection import connect_reader, unusable

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 4


class Readers:
    """A small pool; connections are opened when first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="skep-journal-reader")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._watch_lock = threading.Lock()
        self._watch: sqlite3.Connection | None = None

    async def read(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(connection, ...)` in a reader thread.

        Raises:
            StoreCorrupt, ConfigError, JournalError: what an SQLite error means.
        """

        def call() -> T:
            try:
                return work(self._connection(), *args, **kwargs)
            except sqlite3.Error as error:
                raise unusable(error, self._path) from error

        return await self.run(call)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something else that blocks in a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))

    async def data_version(self) -> int:
        """A number that differs when any other connection has committed in between.

        Raises:
            StoreCorrupt, ConfigError, JournalError: what an SQLite error means.
        """
        return await self.run(self._look)

    async def close(self) -> None:
        """Wait for reads under way and close all connections."""
        await asyncio.to_thread(self._pool.shutdown)
        for connection in self._connections:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _look(self) -> int:
        # Only numbers of one connection can be compared.
        with self._watch_lock:
            try:
                if self._watch is None:
                    self._watch = self._connect()
                (version,) = self._watch.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise unusable(error, self._path) from error
            return version

    def _connect(self) -> sqlite3.Connection:
        connection = connect_reader(self._path)
        self._connections.append(connection)
        return connection
