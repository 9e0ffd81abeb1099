"""How what people type, or a file holds, becomes the input of a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from skep import values
from skep.errors import BadValue, ConfigError, LimitExceeded
from skep.limits import DEFAULT_LIMITS

OBJECT = 'write {"name": value, ...}'


def read_input(pairs: list[str], json_source: str | None) -> dict[str, Any]:
    """The run's input: the object in `json_source` (a file, `-` for stdin) with `pairs` of `K=V` over it.

    V is JSON where it parses as JSON, else text.

    Raises:
        BadValue: a pair without `=`, text that is not JSON, JSON that is no object.
        ConfigError: the file cannot be read.
        LimitExceeded: too big or too deep.
    """
    found = _read_json_object(json_source) if json_source is not None else {}
    seen: set[str] = set()
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise BadValue(f"{pair!r} is not K=V", where="--input", fix="write --input name=value")
        if key in seen:
            raise BadValue("given twice", where=f"--input {key}", fix="give it once")
        seen.add(key)
        found[key] = parse_value(text, f"--input {key}")
    try:
        return values.decode(values.encode(found, where="--input"))
    except BadValue as error:
        raise BadValue(error.what, where=error.where, fix=error.fix or "give text in UTF-8") from error


def read_value(given: str, where: str) -> Any:
    """A value as JSON where it parses, else as text: `given` itself, `@FILE`, or `-` for stdin.

    Raises:
        BadValue: not UTF-8.
        ConfigError: the file cannot be read.
        LimitExceeded: too big or too deep.
    """
    if given != "-" and not given.startswith("@"):
        return parse_value(given, where)
    data = _read(given.removeprefix("@"), where)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadValue(f"byte {error.start} is not UTF-8", where=where, fix="write it in UTF-8") from error
    return parse_value(text.removesuffix("\n"), where)


def _decoded(data: bytes, where: str) -> Any:
    """The JSON value in `data`; what is wrong with it is told in terms of whoever wrote it."""
    if not data.strip():
        raise BadValue("it is empty", where=where, fix=OBJECT)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        what = f"byte {error.start} is not UTF-8"
        raise BadValue(what, where=where, fix="write it in UTF-8") from error
    try:
        value = values.decode_untrusted(data, where=where)
    except BadValue as error:
        raise BadValue(error.what, where=error.where, fix=error.fix or OBJECT) from error
    try:
        json.loads(data, object_pairs_hook=_once)
    except _Twice as error:
        fix = "keep one of them"
        raise BadValue(f"the key {str(error)[:100]!r} is there twice", where=where, fix=fix) from error
    return value


class _Twice(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _Twice(key)
        seen.add(key)


def parse_value(text: str, where: str) -> Any:
    """JSON where it parses, else the text."""
    try:
        return values.decode_untrusted(text, where=where)
    except BadValue:
        return text


def _read(source: str, where: str) -> bytes:
    """What is in a file, or `-` for stdin."""
    limit = DEFAULT_LIMITS.max_value_bytes
    try:
        if source == "-":
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(limit + 1)
    except OSError as error:
        problem = f"{source}: {error.strerror or error}"
        raise ConfigError(problem, where=where, fix="name a file, or - for stdin") from error
    if len(data) > limit:
        raise LimitExceeded("max_value_bytes", limit, where=where)
    return data


def _read_json_object(source: str) -> dict[str, Any]:
    where = "--input-json"
    value = _decoded(_read(source, where), f"{where} {source}")
    if not isinstance(value, dict):
        raise BadValue("the input is not a JSON object", where=where, fix=OBJECT)
    return msgspec.convert(value, dict[str, Any])
