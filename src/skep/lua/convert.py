"""JSON values in and out of Lua, each case decided once.

| JSON | Lua | and back |
|---|---|---|
| `null` inside a value | `null`, a userdata that equals only itself | `null` |
| `null` alone (an argument, a result, a variable) | `nil` | `nil` and `null` alike are `null` |
| `true`, `false` | boolean | the same |
| integer | integer, 64 bits signed; others are refused | the same |
| float | float, so `3.0` stays `3.0` | the same; NaN and the infinities are refused |
| string | string, UTF-8 | the same; what is not UTF-8 is refused |
| array | table 1..n with the mark of an array | a table whose keys are exactly 1..n |
| `[]` | empty table with the mark | `[]`; `array()` makes one |
| object | table | a table whose keys are all strings, in their order |
| `{}` | empty table | `{}`: an empty table without the mark is an object |

Refused with `ConversionError`, with the place: functions, threads, userdata; names and numbers as keys in one table;
keys that are neither; arrays with holes. Tables are read raw: metatables do not count. Nesting deeper than
`Limits.depth`, which every cycle has, and more than `Limits.output` bytes are `LimitExceeded`. A table that is
reached twice comes out twice.

Values cross as a flat stream of tokens, so neither side ever holds a reference into the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from skep.errors import BadValue, ConversionError, LimitExceeded
from skep.values import check_text

BATCH = 2_000
"""Tokens of one crossing."""

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class _Mark:
    """What stands around an array or object among the tokens that come from Lua."""

    __slots__ = ()


OBJECT, ARRAY, END = _Mark(), _Mark(), _Mark()


class Marks:
    """The marks of one VM for tokens that go to it: Lua values, so they are made there."""

    __slots__ = ("array", "end", "object")

    def __init__(self, opened_object: Any, opened_array: Any, end: Any) -> None:
        self.object, self.array, self.end = opened_object, opened_array, end


def flatten(value: Any, marks: Marks, depth: int, where: str = "value") -> list[Any]:
    """The tokens of a JSON value for Lua.

    Raises:
        ConversionError: what Lua cannot carry exactly, with its place.
        LimitExceeded: nested deeper than `depth`.
    """
    tokens: list[Any] = []
    _put(value, tokens, marks, depth, depth, where)
    return tokens


def _put(value: Any, tokens: list[Any], marks: Marks, left: int, depth: int, where: str) -> None:
    kind: type[Any] = type(value)
    if kind is str:
        tokens.append(value if value.isascii() else _text(value, where))
    elif kind is bool or value is None:
        tokens.append(value)
    elif kind is int:
        if not INT_MIN <= value <= INT_MAX:
            raise ConversionError("integer outside Lua's 64 bits", where=where, fix="pass it as text")
        tokens.append(value)
    elif kind is float:
        if not math.isfinite(value):
            raise ConversionError(f"{value} is not a JSON number", where=where, fix="pass null or text")
        tokens.append(value)
    elif kind is dict or kind is list or kind is tuple:
        if left == 0:
            raise LimitExceeded("depth", depth, where=where, fix="nest less, or pass JSON text")
        _put_all(value, tokens, marks, left - 1, depth, where)
    else:
        raise ConversionError(f"{kind.__name__} has no JSON form", where=where, fix="pass JSON values")


def _put_all(value: Any, tokens: list[Any], marks: Marks, left: int, depth: int, where: str) -> None:
    if type(value) is dict:
        tokens.append(marks.object)
        for key, item in value.items():
            if type(key) is not str:
                raise ConversionError(f"object key {key!r} is not a string", where=where, fix="use str(key)")
            tokens.append(key if key.isascii() else _text(key, where))
            _put(item, tokens, marks, left, depth, where)
    else:
        tokens.append(marks.array)
        for item in value:
            _put(item, tokens, marks, left, depth, where)
    tokens.append(marks.end)


def _text(text: str, where: str) -> str:
    try:
        return check_text(text, where, len(text))
    except BadValue as error:
        raise ConversionError(error.what, where=where, fix=error.fix) from error


def rebuild(tokens: Iterable[Any]) -> Any:
    """The JSON value whose tokens came from Lua; objects with their names in order."""
    above: list[list[Any]] = []
    items: list[Any] = []
    for token in tokens:
        if token is OBJECT or token is ARRAY:
            above.append(items)
            items = [token]
        elif token is END:
            done = _closed(items)
            items = above.pop()
            items.append(done)
        else:
            items.append(token)
    return items[0]


def _closed(items: list[Any]) -> Any:
    if items[0] is ARRAY:
        del items[0]
        return items
    names = items[1::2]
    if len(names) == 1:
        return {names[0]: items[2]}
    return dict(sorted(zip(names, items[2::2], strict=True), key=_name))


def _name(pair: tuple[str, Any]) -> str:
    return pair[0]
