"""What the protocols share: one record to one output event, and the records that are none."""

from __future__ import annotations

from typing import Protocol

import msgspec

from skep import values
from skep.core.outputs import Artifact, Blob, Final, Inline, OutputEvent, Partial, Progress
from skep.errors import BadValue, SkepError
from skep.limits import Limits

UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What the JSON decoder raises for bytes that are no event."""

EXCERPT = 200
"""Bytes of a bad record in its sample."""

BOM = b"\xef\xbb\xbf"

event_decoder = msgspec.json.Decoder(OutputEvent)
_CHECKED = frozenset((Final, Artifact))
_STREAMED = frozenset((Partial, Progress))


class StreamDecoder(Protocol):
    """Bytes in chunks to output events; the same events and bad records however the bytes are cut."""

    bad: BadRecords
    broken: str | None
    """Why nothing more is decoded; what stood before it was."""

    def feed(self, chunk: bytes) -> list[OutputEvent]:
        """The events that `chunk` completes."""
        ...

    def end(self) -> list[OutputEvent]:
        """The stream has ended: what was still pending."""
        ...


class BadRecords:
    """Counts records that are no output events; the first few are kept as text, for people.

    `unit` is what the protocol calls a record.
    """

    def __init__(self, unit: str, limits: Limits) -> None:
        self.count = 0
        self.samples: list[str] = []
        self._unit = unit
        self._limit = limits.process_bad_records
        self._kept = limits.process_bad_samples
        self._excerpt = min(EXCERPT, limits.process_record_bytes)

    def add(self, number: int, why: str, data: bytes) -> None:
        """Note record `number` (from 1), of which `data` is at least the beginning."""
        self.count += 1
        if len(self.samples) < self._kept:
            excerpt = data[: self._excerpt].decode(errors="replace")
            self.samples.append(values.clean_text(f"{self._unit} {number}: {why}: {excerpt!r}"))

    @property
    def too_many(self) -> str | None:
        """Why the stream cannot go on, once the limit is passed."""
        if self.count <= self._limit:
            return None
        return f"limit process_bad_records of {self._limit:,} exceeded; the first is {self.samples[0]}"


class ByteOrderMark:
    """Drops the UTF-8 byte order mark at the beginning of a stream."""

    def __init__(self) -> None:
        self._head = b""
        self._past = False

    def feed(self, chunk: bytes) -> bytes:
        if self._past:
            return chunk
        self._head += chunk
        return b"" if BOM.startswith(self._head) and self._head != BOM else self.end()

    def end(self) -> bytes:
        """What of a mark had come when the stream ended."""
        if self._past:
            return b""
        self._past = True
        return self._head.removeprefix(BOM)


def decode_event(data: bytes | str, limits: Limits) -> OutputEvent:
    """One record as an output event that may be recorded.

    Raises:
        BadValue, LimitExceeded: it is none.
    """
    try:
        event = event_decoder.decode(data)
    except UNREADABLE as error:
        raise BadValue(f"no output event: {error}") from error
    check_content(event, limits)
    return event


def check_contents(events: list[OutputEvent], limits: Limits) -> list[OutputEvent]:
    """The events, after `check_content` for each; quick where none has a content."""
    if not _STREAMED.issuperset(map(type, events)):
        for event in events:
            check_content(event, limits)
    return events


def check_content(event: OutputEvent, limits: Limits) -> None:
    """Check the JSON in an event's content, which decoding leaves as it came (R-value).

    Raises:
        BadValue, LimitExceeded: it cannot be recorded.
    """
    if type(event) not in _CHECKED:
        return
    assert isinstance(event, Final | Artifact)  # noqa: S101 - narrows the type
    if type(event.content) is Inline:
        values.decode_untrusted(bytes(event.content.value), limits, where="content")
    elif type(event.content) is Blob:
        raise BadValue("content of kind blob is not for workers", fix="use inline or file_ref")


def reason(error: SkepError) -> str:
    """What is wrong with a record, for its sample."""
    return f"{error.where}: {error.what}" if error.where else error.what
