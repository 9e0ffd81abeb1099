"""The host's ends of a child's pipes: never blocking, everything at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import IO

CHUNK = 64 * 1024


class Feeder:
    """Writes `data` as fast as the child takes it, then closes. A child need not read it all."""

    def __init__(self, pipe: IO[bytes], data: bytes) -> None:
        self._pipe = pipe
        self._rest = memoryview(data)
        self._loop = asyncio.get_running_loop()
        self._waiting = False
        os.set_blocking(pipe.fileno(), False)
        self._write()

    def close(self) -> None:
        if self._waiting:
            self._loop.remove_writer(self._pipe.fileno())
            self._waiting = False
        self._pipe.close()

    def _write(self) -> None:
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._pipe.fileno(), self._rest) :]
        except BlockingIOError:
            if not self._waiting:
                self._loop.add_writer(self._pipe.fileno(), self._write)
                self._waiting = True
            return
        except BrokenPipeError:
            pass
        self.close()


class Reader:
    """Hands every chunk to `take` until the end of the pipe, or `close`; then calls `closed` once."""

    def __init__(
        self, pipe: IO[bytes], take: Callable[[bytes], object], closed: Callable[[], object]
    ) -> None:
        self._pipe = pipe
        self._take = take
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._read)

    @property
    def open(self) -> bool:
        return not self._pipe.closed

    def close(self) -> None:
        if self.open:
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            self._closed()

    def _read(self) -> None:
        try:
            chunk = os.read(self._pipe.fileno(), CHUNK)
        except BlockingIOError:
            return
        if chunk:
            self._take(chunk)
        else:
            self.close()


class Tail:
    """The last `keep` bytes of what was fed."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._held = bytearray()
        self.total = 0

    def feed(self, chunk: bytes) -> None:
        self.total += len(chunk)
        self._held += chunk
        if len(self._held) > 2 * self._keep:
            del self._held[: -self._keep]

    @property
    def data(self) -> bytes:
        return bytes(self._held[-self._keep :])
