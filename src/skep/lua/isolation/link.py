"""The host's end of the socket to one script's process: whole frames, on the event loop, never waiting."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from skep.lua.isolation.frames import FrameReader, OversizedFrame, framed

_CHUNK = 64 * 1024


class Link:
    """Hands over what comes in.

    Args:
        end: our half of a socket pair; closed with the link.
        most: bytes of a frame that the other side may send.
        received: gets the frames that came together, in order.
        ended: called once, with what was wrong if something was; nothing is received after it.
    """

    def __init__(
        self,
        end: socket.socket,
        most: int,
        received: Callable[[list[bytes]], object],
        ended: Callable[[str | None], object],
    ) -> None:
        end.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._socket = end
        self._reader = FrameReader(most)
        self._received = received
        self._ended = ended
        self._unsent = bytearray()
        self._open = True
        self._loop.add_reader(end, self._readable)

    def send(self, data: bytes) -> None:
        """Send a frame: at once as far as the socket takes it, the rest when it takes more."""
        if not self._open:
            return
        frame = framed(data)
        if not self._unsent:
            sent = self._try_to_send(frame)
            if sent == len(frame) or not self._open:
                return
            frame = frame[sent:]
            self._loop.add_writer(self._socket, self._writable)
        self._unsent += frame

    @property
    def clean(self) -> bool:
        """Whether no part of a frame has come."""
        return self._reader.empty

    def close(self) -> None:
        """Read and send nothing more; does not call `ended`."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._unsent.clear()

    def _readable(self) -> None:
        try:
            chunk = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionResetError:
            chunk = b""  # it ended with something unread
        if not chunk:
            self._end(None if self._reader.empty else "it ended in the middle of a frame")
            return
        try:
            frames = self._reader.feed(chunk)
        except OversizedFrame as error:
            self._end(str(error))
            return
        if frames:
            self._received(frames)

    def _writable(self) -> None:
        sent = self._try_to_send(self._unsent)
        if not self._open:
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._socket)

    def _try_to_send(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._loop.remove_writer(self._socket)  # reading tells why
            return 0

    def _end(self, fault: str | None) -> None:
        self.close()
        self._ended(fault)
