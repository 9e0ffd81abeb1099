"""How what people type, or a file holds, becomes the input of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from skep import values
from skep.errors import BadValue, ConfigError, LimitExceeded
from skep.limits import DEFAULT_LIMITS


def read_input(pairs: list[str], json_source: str | None) -> dict[str, Any]:
    """The run's input: the object in `json_source` (a file, `-` for stdin) with `pairs` of `K=V` over it.

    V is JSON where it parses as JSON, else text.

    Raises:
        BadValue: a pair without `=`, text that is not JSON, JSON that is no object.
        ConfigError: the file cannot be read.
        LimitExceeded: too big or too deep.
    """
    found = _read_json_object(json_source) if json_source is not None else {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise BadValue(f"{pair!r} is not K=V", where="--input", fix="write --input name=value")
        found[key] = _parse(text, f"--input {key}")
    return values.decode(values.encode(found, where="--input"))


def _parse(text: str, where: str) -> Any:
    try:
        return values.decode_untrusted(text, where=where)
    except BadValue:
        return text


def _read_json_object(source: str) -> dict[str, Any]:
    where = "--input-json"
    limit = DEFAULT_LIMITS.max_value_bytes
    try:
        if source == "-":
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(limit + 1)
    except OSError as error:
        problem = f"{source}: {error.strerror or error}"
        raise ConfigError(problem, where=where, fix="name a JSON file, or - for stdin") from error
    if len(data) > limit:
        raise LimitExceeded("max_value_bytes", limit, where=where)
    value = values.decode_untrusted(data, where=where)
    if not isinstance(value, dict):
        raise BadValue("the input is not a JSON object", where=where, fix='write {"name": value, ...}')
    return msgspec.convert(value, dict[str, Any])
