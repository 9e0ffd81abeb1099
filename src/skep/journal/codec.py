"""Events as bytes and back: a row is a JSON array of tagged events.

Values were encoded when they came in (R-value): `Raw` parts are copied into the row as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec
from msgspec import structs

from skep.core.events import EVENT_TYPES, AnyEvent, WorkerOutput
from skep.core.outputs import Inline
from skep.errors import StoreCorrupt

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[list[AnyEvent]] = msgspec.json.Decoder(list[AnyEvent])

_CONTENT_FIELDS = {
    kind: tuple(field.name for field in structs.fields(kind) if Inline in get_args(field.type))
    for kind in EVENT_TYPES
}


def encode_events(events: Sequence[AnyEvent]) -> bytes:
    """A JSON array."""
    return _encoder.encode(events)


def join(chunks: Sequence[bytes]) -> bytes:
    """Several non-empty JSON arrays as one."""
    if len(chunks) == 1:
        return chunks[0]
    return b"[" + b",".join([chunk[1:-1] for chunk in chunks]) + b"]"


def decode_events(log: str, version: int, count: int, data: bytes) -> list[AnyEvent]:
    """The events of the row that begins at `version`; none of them keeps `data` alive.

    Raises:
        StoreCorrupt: naming the row.
    """
    try:
        events = _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise StoreCorrupt(
            f"event row at version {version} cannot be understood: {error}",
            where=log,
            fix="open the store with the version of skep that wrote it, or a newer one",
        ) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _damaged(log, version, str(error)) from error
    if len(events) != count:
        raise _damaged(log, version, f"it holds {len(events)} events, not {count}")
    for event in events:
        _own(event)
    return events


def _damaged(log: str, version: int, what: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"event row at version {version} is damaged: {what}", where=log, fix="restore the store from a backup"
    )


def _own(event: AnyEvent) -> None:
    """Give the event its own copy of each value, which decoding left as a view into the row."""
    for name in _CONTENT_FIELDS[type(event)]:
        _own_content(getattr(event, name))
    if type(event) is WorkerOutput:
        _own_content(event.event.content)


def _own_content(content: object) -> None:
    if type(content) is Inline:
        # The struct is frozen for its readers, and has none yet.
        structs.force_setattr(content, "value", content.value.copy())
