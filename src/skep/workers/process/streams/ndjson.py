"""`ndjson_lines`: one output event a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from skep.core.outputs import OutputEvent
from skep.errors import SkepError
from skep.limits import Limits
from skep.workers.process.streams.records import (
    UNREADABLE,
    BadRecords,
    ByteOrderMark,
    check_contents,
    decode_event,
    event_decoder,
    reason,
)

Record = TypeVar("Record")


class LineDecoder(Generic[Record]):
    """Lines end with LF or CRLF, the last one perhaps with the stream; blank ones do not count as records.

    All whole lines of a chunk are decoded at once; one by one only where that does not work out.

    Args:
        one: decodes one line; raises `SkepError` if it is no record.
        many: decodes several lines; whatever it raises, and any other number of records, has them tried one by one.
    """

    def __init__(
        self, limits: Limits, one: Callable[[bytes], Record], many: Callable[[bytes], list[Record]]
    ) -> None:
        self.bad = BadRecords("line", limits)
        self.broken: str | None = None
        self._one = one
        self._many = many
        self._longest = limits.process_record_bytes
        self._mark = ByteOrderMark()
        self._lines = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._skipping = False

    def feed(self, chunk: bytes) -> list[Record]:
        if self.broken is not None:
            return []
        chunk = self._mark.feed(chunk)
        end = chunk.rfind(b"\n") + 1
        if end == 0:
            self._hold(chunk)
            return []
        block = self._with_held(chunk[:end])
        events = self._quickly(block)
        if events is None:
            events = self._line_by_line(block)
        if self.broken is None:
            self._hold(chunk[end:])
        return events

    def end(self) -> list[Record]:
        events: list[Record] = []
        if self.broken is None:
            self._hold(self._mark.end())
        if self.broken is None and not self._skipping and self._held:
            self._line(b"".join(self._held), events)
            self._held.clear()
        return events

    def _hold(self, piece: bytes) -> None:
        """Keep the beginning of a line; of one that is too long nothing more."""
        if self._skipping or not piece:
            return
        self._held.append(piece)
        self._held_size += len(piece)
        if self._held_size > self._longest:
            self._too_long(b"".join(self._held), self._lines + 1)
            self._held.clear()
            self._held_size = 0
            self._skipping = True

    def _with_held(self, block: bytes) -> bytes:
        if self._skipping:
            self._skipping = False
            self._lines += 1
            return block[block.index(b"\n") + 1 :]
        if self._held:
            block = b"".join((*self._held, block))
            self._held.clear()
            self._held_size = 0
        return block

    def _quickly(self, block: bytes) -> list[Record] | None:
        """All events at once, if each line surely holds one: an object to its end, and nothing else.

        A newline between `}` and `{` separates two values, wherever it stands; so with as many values as
        lines no line holds two.
        """
        if len(block) > self._longest:
            return None
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        lines = block.count(b"\n")
        if not (block.startswith(b"{") and block.endswith(b"}\n") and block.count(b"}\n{") == lines - 1):
            return None
        try:
            events = self._many(block)
        except (*UNREADABLE, SkepError):
            return None
        if len(events) != lines:
            return None
        self._lines += lines
        return events

    def _line_by_line(self, block: bytes) -> list[Record]:
        events: list[Record] = []
        for line in block.split(b"\n")[:-1]:
            self._line(line, events)
            if self.broken is not None:
                break
        return events

    def _line(self, line: bytes, events: list[Record]) -> None:
        self._lines += 1
        if len(line) > self._longest:
            self._too_long(line, self._lines)
            return
        text = line.strip(b" \t\r")
        if text:
            try:
                events.append(self._one(text))
            except SkepError as error:
                self._note(self._lines, reason(error), text)

    def _too_long(self, line: bytes, number: int) -> None:
        self._note(number, f"longer than process_record_bytes ({self._longest:,})", line)

    def _note(self, number: int, why: str, data: bytes) -> None:
        self.bad.add(number, why, data)
        self.broken = self.bad.too_many


class NdjsonDecoder(LineDecoder[OutputEvent]):
    """See `LineDecoder`: each record is an output event."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(
            limits,
            lambda line: decode_event(line, limits),
            lambda block: check_contents(event_decoder.decode_lines(block), limits),
        )
