"""From a place in the canonical document to the line in the text that people wrote."""

from __future__ import annotations

import json
import re
from typing import Any

from skep.flow.document import Document
from skep.flow.grammar import NODES
from skep.flow.problems import inside
from skep.flow.spellings import newest
from skep.values import type_of

_SEGMENT = re.compile(r'\.?([\w$-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]')


def line_of(document: Document, place: str) -> int | None:
    r"""The line of `place`, or of the nearest thing around it that stands in the text; `None` without lines.

    >>> from skep.flow.document import parse_document
    >>> text = b"id: x\nflow:\n  - step: a\n    in: $\n    out: $.x\n"
    >>> line_of(parse_document(text, "yaml"), "flow.children[0].out")
    5
    """
    value, written = document.value, ""
    line = document.lines.get(written)
    for segment in _segments(place):
        keys = _written(value, segment, written)
        if keys is None:
            break
        for key in keys:
            value, written = value[key], inside(written, key)
            line = document.lines.get(written, line)
    return line


def _segments(place: str) -> list[str | int]:
    found: list[str | int] = []
    for plain, number, quoted in _SEGMENT.findall(place):
        found.append(plain or (int(number) if number else json.loads(quoted)))
    return found


def _written(value: Any, segment: str | int, place: str) -> list[Any] | None:
    """The keys that lead from `value` to what the canonical document has at `segment`."""
    if type_of(value) is list:
        if segment == "children":  # a list where a node is expected is a seq
            return []
        return [segment] if isinstance(segment, int) and segment < len(value) else None
    if type_of(value) is not dict:
        return None
    if segment in value:
        return [segment]
    if isinstance(segment, int):  # agents by name are taken in order of their names
        return [sorted(value)[segment]] if place == "agents" and segment < len(value) else None
    return _under_word(value, segment)


def _under_word(value: dict[str, Any], segment: str) -> list[Any] | None:
    for word, held in value.items():
        shape = NODES.get(newest("node", word))
        if shape is None:
            continue
        if type_of(held) is dict and segment in held:
            return [word, segment]
        return [word] if segment == shape.primary else None
    return None
