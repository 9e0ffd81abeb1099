"""`length_prefixed`: a big-endian 32-bit length, then an output event of that many bytes."""

from __future__ import annotations

from skep.core.outputs import OutputEvent
from skep.errors import SkepError
from skep.limits import Limits
from skep.workers.process.streams.records import BadRecords, decode_event, reason

PREFIX = 4


class FrameDecoder:
    """A length of 0 or beyond `process_record_bytes`, and an end inside a frame, break the stream.

    There is no telling then where the next frame begins; a frame that holds no event is a bad record only.
    """

    def __init__(self, limits: Limits) -> None:
        self.bad = BadRecords("frame", limits)
        self.broken: str | None = None
        self._limits = limits
        self._frames = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._needed = PREFIX

    def feed(self, chunk: bytes) -> list[OutputEvent]:
        if self.broken is not None:
            return []
        self._held.append(chunk)
        self._held_size += len(chunk)
        if self._held_size < self._needed:
            return []
        block = b"".join(self._held)
        events: list[OutputEvent] = []
        at = self._frames_of(block, events)
        self._held = [block[at:]]
        self._held_size = len(block) - at
        return events

    def end(self) -> list[OutputEvent]:
        if self.broken is None and self._held_size:
            missing = self._needed - self._held_size
            self.broken = f"it ends inside frame {self._frames + 1}, at least {missing:,} bytes short"
        return []

    def _frames_of(self, block: bytes, events: list[OutputEvent]) -> int:
        """Decode the whole frames; where the rest begins."""
        at = 0
        while self.broken is None:
            self._needed = PREFIX
            if len(block) - at < PREFIX:
                break
            length = int.from_bytes(block[at : at + PREFIX])
            if not 1 <= length <= self._limits.process_record_bytes:
                longest = self._limits.process_record_bytes
                self.broken = (
                    f"frame {self._frames + 1} has a length of {length:,}, allowed are 1 to {longest:,}"
                )
                return len(block)
            self._needed += length
            if len(block) - at < self._needed:
                break
            self._frame(block[at + PREFIX : at + self._needed], events)
            at += self._needed
        return at

    def _frame(self, data: bytes, events: list[OutputEvent]) -> None:
        self._frames += 1
        try:
            events.append(decode_event(data, self._limits))
        except SkepError as error:
            self.bad.add(self._frames, reason(error), data)
            self.broken = self.bad.too_many
