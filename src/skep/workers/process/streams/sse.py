"""`sse_events`: an output event in the `data` of each server-sent event."""

from __future__ import annotations

from skep.core.outputs import OutputEvent
from skep.errors import SkepError
from skep.limits import Limits
from skep.workers.process.streams.records import EXCERPT, BadRecords, ByteOrderMark, decode_event, reason

_LINE_ENDS = (b"\n", b"\r")


class SseDecoder:
    """The event stream of the WHATWG's HTML standard, with one departure: its end ends the last event.

    That is, pending `data` is dispatched then as if a blank line had come. What `event`, `id` and `retry` say
    changes nothing; empty `data` is no record.
    """

    def __init__(self, limits: Limits) -> None:
        self.bad = BadRecords("event", limits)
        self.broken: str | None = None
        self._limits = limits
        self._longest = limits.process_record_bytes
        self._mark = ByteOrderMark()
        self._events = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._skipping = False
        self._after_cr = False
        self._data = bytearray()
        self._spoilt = False

    def feed(self, chunk: bytes) -> list[OutputEvent]:
        chunk = self._mark.feed(chunk)
        if not chunk or self.broken is not None:
            return []
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        events: list[OutputEvent] = []
        for piece in chunk.splitlines(keepends=True):
            if not piece.endswith(_LINE_ENDS):
                self._hold(piece)
            elif self._skipping:
                self._skipping = False
            else:
                self._line(self._with_held(piece.rstrip(b"\r\n")), events)
            if self.broken is not None:
                break
        return events

    def end(self) -> list[OutputEvent]:
        events: list[OutputEvent] = []
        if self.broken is None:
            if rest := self._mark.end():
                self._hold(rest)
            if self._held and not self._skipping:
                self._line(self._with_held(b""), events)
            self._dispatch(events)
        return events

    def _hold(self, piece: bytes) -> None:
        """Keep the beginning of a line; of one that is too long nothing more."""
        if self._skipping:
            return
        self._held.append(piece)
        self._held_size += len(piece)
        if self._held_size > self._longest:
            self._long_line(self._with_held(b""))
            self._skipping = True

    def _with_held(self, piece: bytes) -> bytes:
        if self._held:
            piece = b"".join((*self._held, piece))
            self._held.clear()
            self._held_size = 0
        return piece

    def _line(self, line: bytes, events: list[OutputEvent]) -> None:
        if len(line) > self._longest:
            self._long_line(line)
            return
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        if name == b"data" and not self._spoilt:
            self._data += value.removeprefix(b" ") + b"\n"
            if len(self._data) > self._longest:
                self._spoil(bytes(self._data[:EXCERPT]))

    def _long_line(self, line: bytes) -> None:
        if line.startswith(b"data:") and not self._spoilt:
            self._spoil(line)

    def _spoil(self, data: bytes) -> None:
        """Give the current event up."""
        self._note(self._events + 1, f"longer than process_record_bytes ({self._longest:,})", data)
        self._spoilt = True
        self._data.clear()

    def _dispatch(self, events: list[OutputEvent]) -> None:
        data, spoilt = self._data, self._spoilt
        self._data, self._spoilt = bytearray(), False
        if spoilt:
            self._events += 1
            return
        text = data[:-1].decode(errors="replace")
        if not text.strip():
            return
        self._events += 1
        try:
            events.append(decode_event(text, self._limits))
        except SkepError as error:
            self._note(self._events, reason(error), text.encode())

    def _note(self, number: int, why: str, data: bytes) -> None:
        self.bad.add(number, why, data)
        self.broken = self.bad.too_many
