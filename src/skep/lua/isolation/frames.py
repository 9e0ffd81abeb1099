"""Frames on the wire between the host and a script's process: a length of four bytes, big-endian, then JSON.

Needs only the standard library, for the process imports it too.
"""

from __future__ import annotations

import struct

_HEAD = struct.Struct(">I")
HEAD_BYTES = _HEAD.size
MOST = 2**32 - 1


class OversizedFrame(Exception):
    """Whoever wrote it announced more bytes than a frame may have."""

    def __init__(self, announced: int, most: int) -> None:
        super().__init__(f"a frame of {announced:,} bytes was announced, at most {most:,} are taken")


def framed(data: bytes) -> bytes:
    """`data` as a frame.

    >>> framed(b"{}").hex(" ")
    '00 00 00 02 7b 7d'
    """
    return _HEAD.pack(len(data)) + data


class FrameReader:
    """Cuts what comes in into frames, however it was cut on its way.

    It holds at most one frame of `most` bytes and the chunk that was fed last.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = bytearray()
        self._wanted = -1
        """Bytes of the frame whose head was read; -1: no head yet."""

    @property
    def empty(self) -> bool:
        """Whether nothing of a frame has come that is not complete."""
        return not self._held and self._wanted < 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The frames that are complete with this chunk.

        Raises:
            OversizedFrame: the next one has too many bytes; nothing of it is kept.
        """
        self._held += chunk
        frames: list[bytes] = []
        at = 0
        while True:
            if self._wanted < 0:
                if len(self._held) - at < HEAD_BYTES:
                    break
                self._wanted = self._announced(at)
                at += HEAD_BYTES
            if len(self._held) - at < self._wanted:
                break
            frames.append(bytes(self._held[at : at + self._wanted]))
            at += self._wanted
            self._wanted = -1
        del self._held[:at]
        return frames

    def _announced(self, at: int) -> int:
        (size,) = _HEAD.unpack_from(self._held, at)
        if size > self._most:
            self._held.clear()
            raise OversizedFrame(size, self._most)
        return size
