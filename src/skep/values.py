"""The edge of R-value: a value from outside is checked and encoded here, once.

`encode` refuses what JSON cannot carry exactly; what later steps see is `decode(encode(value))`.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import msgspec

from skep.errors import BadValue, LimitExceeded
from skep.limits import DEFAULT_LIMITS, Limits

type_names: dict[type[object], str] = {
    type(None): "null",
    bool: "boolean",
    str: "string",
    list: "array",
    dict: "object",
}

MAX_TEXT = 4_096
"""Characters of a name, an address or a message in a record."""

_SURROGATE = "text holds a lone surrogate, which UTF-8 cannot carry"
_REPLACE = "remove it, as text.encode('utf-8', 'replace').decode() does"
_FLATTEN = "nest less, or pass the inner part as JSON text"

_encoder = msgspec.json.Encoder()
_sorted_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder()

INT_MIN, INT_MAX = -(2**63), 2**64 - 1


def type_of(value: object) -> type[object]:
    """`type(value)`, kept from narrowing a JSON value for the type checker."""
    return type(value)


def type_name(value: object) -> str:
    """What JSON calls the type of `value`: `null boolean number string array object`."""
    return type_names.get(type(value), "number")


def encode(value: Any, limits: Limits = DEFAULT_LIMITS, *, where: str = "value") -> bytes:
    """Check `value` and encode it as compact JSON.

    Accepted are `None`, `bool`, `int` in [-2^63, 2^64-1], finite `float`, `str` without lone
    surrogates, `list`, `tuple` (as an array) and `dict` with `str` keys, nested to
    `limits.max_value_depth`. Dataclasses and structs are for `to_plain` first.

    Raises:
        BadValue: naming the place inside the value.
        LimitExceeded: `max_value_depth` or `max_value_bytes`.
    """
    try:
        _check(value, limits.max_value_depth, where)
        data = _encoder.encode(value)
    except _TooDeep as error:
        raise _too_deep(limits, where) from error
    except UnicodeEncodeError as error:
        raise BadValue(_SURROGATE, where=where, fix=_REPLACE) from error
    if len(data) > limits.max_value_bytes:
        raise LimitExceeded(
            "max_value_bytes", limits.max_value_bytes, where=where, fix="write a file and return a file_ref"
        )
    return data


def decode(data: bytes | memoryview | msgspec.Raw) -> Any:
    """Decode JSON that `encode` made."""
    return _decoder.decode(data)


def decode_untrusted(data: bytes | str, limits: Limits = DEFAULT_LIMITS, *, where: str = "value") -> Any:
    """Decode and check JSON text from outside.

    Raises:
        BadValue: not JSON, or a value that `encode` would refuse.
        LimitExceeded: too deep or too big.
    """
    size = len(data)
    if size > limits.max_value_bytes:
        raise LimitExceeded("max_value_bytes", limits.max_value_bytes, where=where, fix="pass it as a file")
    try:
        value = _decoder.decode(data)
    except RecursionError as error:
        raise _too_deep(limits, where) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadValue(f"not JSON: {error}", where=where) from error
    try:
        _check(value, limits.max_value_depth, where)
    except _TooDeep as error:
        raise _too_deep(limits, where) from error
    return value


def canonical(value: Any) -> bytes:
    """Compact JSON with sorted keys of an already checked value; equal values, equal bytes."""
    return _sorted_encoder.encode(value)


def digest(data: bytes) -> str:
    """Lowercase hex SHA-256."""
    return hashlib.sha256(data).hexdigest()


def to_plain(value: Any, *, where: str = "value") -> Any:
    """Dataclasses, msgspec structs and pydantic models as JSON values; anything else unchanged.

    Raises:
        BadValue: a member that has no JSON form.
    """
    kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind in type_names or kind is int or kind is float:
        return value
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    if hasattr(kind, "__dataclass_fields__") or isinstance(value, msgspec.Struct):
        try:
            return msgspec.to_builtins(value, str_keys=False)
        except (TypeError, msgspec.MsgspecError) as error:
            raise BadValue(str(error), where=where) from error
    return value


class _TooDeep(Exception):
    pass


def _too_deep(limits: Limits, where: str) -> LimitExceeded:
    return LimitExceeded("max_value_depth", limits.max_value_depth, where=where, fix=_FLATTEN)


def _check(value: Any, depth: int, where: str) -> None:  # noqa: C901, PLR0912 - one walk, no calls between cases
    kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not INT_MIN <= value <= INT_MAX:
            raise BadValue("integer outside 64 bits", where=where, fix="return it as text")
    elif kind is float:
        if not math.isfinite(value):
            raise BadValue(f"{value} is not a JSON number", where=where, fix="return null or text")
    elif kind is dict:
        if depth == 0:
            raise _TooDeep
        for key, item in value.items():
            if type(key) is not str:
                raise BadValue(f"object key {key!r} is not a string", where=where, fix="use str(key)")
            inner = type(item)  # pyright: ignore[reportUnknownVariableType]
            if inner is not str and (inner is not int or not INT_MIN <= item <= INT_MAX):
                _check(item, depth - 1, where)
    elif kind is list or kind is tuple:
        if depth == 0:
            raise _TooDeep
        for item in value:
            inner = type(item)  # pyright: ignore[reportUnknownVariableType]
            if inner is not str and (inner is not int or not INT_MIN <= item <= INT_MAX):
                _check(item, depth - 1, where)
    else:
        raise BadValue(
            f"{kind.__name__} has no JSON form",
            where=where,
            fix="return null, booleans, numbers, text, lists or dicts",
        )


def raw(data: bytes) -> msgspec.Raw:
    """Encoded JSON to stand inside an event as it is."""
    return msgspec.Raw(data)


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """Text for a record that must not be refused: lone surrogates escaped, the rest cut after `limit` characters.

    >>> clean_text("x" * 9, 5)
    'xxxxx... (4 more)'
    """
    if len(text) > limit:
        text = f"{text[:limit]}... ({len(text) - limit:,} more)"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def check_text(text: str, where: str, limit: int = MAX_TEXT) -> str:
    """A name or address from outside, as it is.

    Raises:
        BadValue: not text, or text with a lone surrogate.
        LimitExceeded: longer than `limit` characters.
    """
    if type(text) is not str:
        raise BadValue(f"expected text, got {type_name(text)}", where=where)
    if len(text) > limit:
        raise LimitExceeded("text", limit, where=where)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadValue(_SURROGATE, where=where, fix=_REPLACE) from error
    return text
