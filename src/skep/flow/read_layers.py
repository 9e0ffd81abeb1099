"""Reading `spawner_hints.layers`: a key, as published, or a mapping of one key to its options.

layers:
  - audit
  - rate_limit: {per_second: 5}
"""

from __future__ import annotations

from typing import Any

from skep.flow.parts import LayerHint
from skep.flow.problems import Problem, inside
from skep.flow.struct_reader import StructReader
from skep.values import type_name, type_of

MAX_LAYERS = 32
"""Hints that one Blueprint may list."""


def read_layer(reader: StructReader, document: Any, place: str) -> LayerHint | None:
    """One layer; no options are the same as empty ones."""
    kind = type_of(document)
    if kind is str:
        return LayerHint(document)
    fix = "write its key, or {key: {option: value}}"
    if kind is not dict:
        return _refuse(reader, place, f"expected a layer, got {type_name(document)}", fix)
    if len(document) != 1:
        return _refuse(reader, place, f"a layer has one key, this has {len(document)}", fix)
    [(key, options)] = document.items()
    if options is not None and type_of(options) is not dict:
        message = f"options are an object, not {type_name(options)}"
        return _refuse(reader, inside(place, key), message, fix)
    return LayerHint(key, options or {})


def layer_document(hint: LayerHint) -> Any:
    """The canonical form: the key alone where there are no options.

    >>> layer_document(LayerHint("audit")), layer_document(LayerHint("long_hold", {"default_hold": 5}))
    ('audit', {'long_hold': {'default_hold': 5}})
    """
    return {hint.key: hint.options} if hint.options else hint.key


def _refuse(reader: StructReader, place: str, message: str, fix: str) -> None:
    reader.problems.append(Problem(place, "E-FIELD-TYPE", message, fix))
