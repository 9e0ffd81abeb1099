"""Partial and progress as the Stream keeps them: checked, mended and encoded, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from skep import values
from skep.core.outputs import MAX_PARTIAL, Partial, Progress
from skep.engine.attempts.output_types import check_output

_encoder = msgspec.json.Encoder()
_NOTE = (str, type(None))
_SHORTEST_LIMIT = min(values.MAX_TEXT, MAX_PARTIAL)


def encoded_lines(events: Sequence[Progress | Partial]) -> list[bytes]:
    """Each event as JSON. Streamed text is shown, never used: it is mended rather than refused.

    Raises:
        BadValue: a field is no text.
    """
    for event in events:
        # The call is spared for the one of which there are many.
        if type(event) is not Progress or type(event.stage) is not str or type(event.note) not in _NOTE:
            check_output(event)
    try:
        lines = _encoder.encode_lines(events).split(b"\n")[:-1]
    except UnicodeEncodeError:
        return [_encoder.encode(_mended(event)) for event in events]
    # A text is at most as long as the line that holds it.
    if max(map(len, lines), default=0) <= _SHORTEST_LIMIT:
        return lines
    return [
        line if len(line) <= _SHORTEST_LIMIT else _encoder.encode(_mended(event))
        for line, event in zip(lines, events, strict=True)
    ]


def _mended(event: Progress | Partial) -> Progress | Partial:
    if isinstance(event, Partial):
        return Partial(values.clean_text(event.chunk, MAX_PARTIAL))
    note = values.clean_text(event.note) if event.note is not None else None
    return Progress(values.clean_text(event.stage), note)
