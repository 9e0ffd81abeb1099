"""Text to a plain document, YAML or JSON, bounded before anything grows (R-bound).

What comes out is what R-value allows; `lines` says where each place of it was written.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, structs

from skep.errors import BadSyntax, BadValue, LimitExceeded
from skep.flow.json_text import read_json
from skep.flow.yaml_text import read_yaml
from skep.limits import DEFAULT_LIMITS, Limits
from skep.values import decode, encode

Format = Literal["json", "yaml"]

LEVELS_PER_NODE = 4
"""One node or expression takes up to this many levels of arrays and objects in a document."""

_ESCAPED = 6
"""A control character is one byte in YAML and up to six in JSON."""


class Document(Struct, frozen=True):
    """A parsed document; `lines` maps places to line numbers from 1 (empty for JSON)."""

    value: Any
    lines: dict[str, int]


def parse_document(
    data: bytes, form: Format, limits: Limits = DEFAULT_LIMITS, *, where: str = "document"
) -> Document:
    """Parse `data`, which came from outside.

    Raises:
        BadSyntax: not UTF-8, not YAML or JSON, a duplicate key, or something that is not a plain value.
        LimitExceeded: `max_blueprint_bytes`, `max_blueprint_depth` or `max_blueprint_nodes`.
    """
    if len(data) > limits.max_blueprint_bytes:
        raise LimitExceeded(
            "max_blueprint_bytes", limits.max_blueprint_bytes, where=where, fix="make it smaller"
        )
    text = decode_text(data, where)
    depth = limits.max_blueprint_depth * LEVELS_PER_NODE
    lines: dict[str, int] = {}
    value = (
        read_json(text, limits, depth, where)
        if form == "json"
        else read_yaml(text, limits, depth, where, lines)
    )
    _plain_bytes(value, limits, where)
    return Document(value, lines)


def plain_copy(value: Any, limits: Limits = DEFAULT_LIMITS, *, where: str = "document") -> Any:
    """A document that came as a value: checked as parsed text is, and no longer shared with the caller.

    Raises:
        BadSyntax: it holds what JSON cannot carry.
        LimitExceeded: `max_blueprint_bytes` or `max_blueprint_depth`.
    """
    return decode(_plain_bytes(value, limits, where))


def _plain_bytes(value: Any, limits: Limits, where: str) -> bytes:
    depth = limits.max_blueprint_depth * LEVELS_PER_NODE
    bounds = structs.replace(
        limits, max_value_depth=depth, max_value_bytes=limits.max_blueprint_bytes * _ESCAPED
    )
    try:
        return encode(value, bounds, where=where)
    except BadValue as error:
        raise BadSyntax(error.what, where=error.where, fix=error.fix) from error
    except LimitExceeded as error:
        name = "max_blueprint_depth" if error.name == "max_value_depth" else "max_blueprint_bytes"
        raise LimitExceeded(name, getattr(limits, name), where=where, fix="make it smaller") from error


def decode_text(data: bytes, where: str) -> str:
    """UTF-8 text, a byte order mark left out.

    Raises:
        BadSyntax: naming the offset of the first byte that is not UTF-8.
    """
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise BadSyntax(
            f"not UTF-8 at byte {error.start}", where=where, fix="save the file as UTF-8"
        ) from error
