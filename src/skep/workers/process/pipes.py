"""The host's ends of a child's pipes: never blocking, everything at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from skep.workers.process.poller import poller

CHUNK = 64 * 1024


LEFT_BEHIND = 1024 * 1024
"""Linux lets no pipe of an ordinary user hold more."""


class Feeder:
    """Writes `data` as fast as the child takes it, then closes. A child need not read it all.

    `more`: it stays open for what `feed` is given later, until `close`.
    """

    def __init__(self, pipe: int, data: bytes, *, more: bool = False) -> None:
        self._pipe = pipe
        self._rest = memoryview(data)
        self._more = more
        self._loop = asyncio.get_running_loop()
        self._waiting = False
        os.set_blocking(pipe, False)
        self._write()

    def feed(self, data: bytes) -> None:
        """Write `data` after what is still to be written; nothing once the child has closed its end."""
        if self._pipe >= 0:
            self._rest = memoryview(bytes(self._rest) + data)
            self._write()

    def close(self) -> None:
        self._wait(False)
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _write(self) -> None:
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._pipe, self._rest) :]
        except BlockingIOError:
            self._wait(True)
            return
        except BrokenPipeError:
            self.close()
            return
        if self._more:
            self._wait(False)
        else:
            self.close()

    def _wait(self, wanted: bool) -> None:
        if wanted and not self._waiting:
            self._loop.add_writer(self._pipe, self._write)
        elif self._waiting and not wanted:
            self._loop.remove_writer(self._pipe)
        self._waiting = wanted


class Reader:
    """Hands every chunk to `take` until the end of the pipe, or `close`; then calls `closed` once."""

    def __init__(self, pipe: int, take: Callable[[bytes], object], closed: Callable[[], object]) -> None:
        self._pipe = pipe
        self._take = take
        self._closed = closed
        self._poller = poller()
        self.paused = False
        os.set_blocking(pipe, False)
        self._poller.watch(pipe, self._read)

    @property
    def open(self) -> bool:
        return self._pipe >= 0

    def pause(self) -> None:
        """Read nothing until `resume`: a child that fills the pipe has to wait."""
        if self.open and not self.paused:
            self.paused = True
            self._poller.forget(self._pipe)

    def resume(self) -> None:
        if self.open and self.paused:
            self.paused = False
            self._poller = poller()
            self._poller.watch(self._pipe, self._read)

    def finish(self) -> None:
        """Take what lies in the pipe now, and close."""
        left = LEFT_BEHIND
        while left > 0 and self.open and (size := self._read()):
            left -= size
        self.close()

    def close(self) -> None:
        if self.open:
            self._poller.forget(self._pipe)
            os.close(self._pipe)
            self._pipe = -1
            self._closed()

    def _read(self) -> int:
        """Hand one chunk on; its size, 0 when there was none."""
        try:
            chunk = os.read(self._pipe, CHUNK)
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
