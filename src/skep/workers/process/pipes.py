"""The host's ends of a child's pipes: never blocking, everything at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import IO

CHUNK = 64 * 1024


LEFT_BEHIND = 1024 * 1024
"""Linux lets no pipe of an ordinary user hold more."""


class Feeder:
    """Writes `data` as fast as the child takes it, then closes. A child need not read it all.

    `more`: it stays open for what `feed` is given later, until `close`.
    """

    def __init__(self, pipe: IO[bytes], data: bytes, *, more: bool = False) -> None:
        self._pipe = pipe
        self._rest = memoryview(data)
        self._more = more
        self._loop = asyncio.get_running_loop()
        self._waiting = False
        os.set_blocking(pipe.fileno(), False)
        self._write()

    def feed(self, data: bytes) -> None:
        """Write `data` after what is still to be written; nothing once the child has closed its end."""
        if not self._pipe.closed:
            self._rest = memoryview(bytes(self._rest) + data)
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
            self.close()
            return
        if not self._more:
            self.close()
        elif self._waiting:
            self._loop.remove_writer(self._pipe.fileno())
            self._waiting = False


class Reader:
    """Hands every chunk to `take` until the end of the pipe, or `close`; then calls `closed` once."""

    def __init__(
        self, pipe: IO[bytes], take: Callable[[bytes], object], closed: Callable[[], object]
    ) -> None:
        self._pipe = pipe
        self._take = take
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self.paused = False
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._read)

    @property
    def open(self) -> bool:
        return not self._pipe.closed

    def pause(self) -> None:
        """Read nothing until `resume`: a child that fills the pipe has to wait."""
        if self.open and not self.paused:
            self.paused = True
            self._loop.remove_reader(self._pipe.fileno())

    def resume(self) -> None:
        if self.open and self.paused:
            self.paused = False
            self._loop.add_reader(self._pipe.fileno(), self._read)

    def finish(self) -> None:
        """Take what lies in the pipe now, and close."""
        left = LEFT_BEHIND
        while left > 0 and self.open and (size := self._read()):
            left -= size
        self.close()

    def close(self) -> None:
        if self.open:
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            self._closed()

    def _read(self) -> int:
        """Hand one chunk on; its size, 0 when there was none."""
        try:
            chunk = os.read(self._pipe.fileno(), CHUNK)
        except BlockingIOError:
            return 0
        if chunk:
            self._take(chunk)
        else:
            self.close()
        return len(chunk)


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
