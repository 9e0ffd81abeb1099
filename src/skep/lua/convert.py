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

from skep.errors import ConversionError, LimitExceeded
from skep.values import type_of

BATCH = 2_000
"""Tokens of one crossing."""

_SURROGATE = "text holds a lone surrogate, which UTF-8 cannot carry"
_REPLACE = "remove it, as text.encode('utf-8', 'replace').decode() does"

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


MIDDLE = 2**62


class _Mark:
    """What stands around an array or object among the tokens that come from Lua."""

    __slots__ = ()


OBJECT, ARRAY, END = _Mark(), _Mark(), _Mark()


class Flattener:
    """Makes the tokens that one VM takes; the marks are Lua values, so they are the VM's."""

    def __init__(self, depth: int, opened_object: Any, opened_array: Any, end: Any) -> None:
        self._depth = depth
        self._object = opened_object
        self._array = opened_array
        self._end = end

    def flatten(self, value: Any, where: str) -> list[Any]:
        """The tokens of a JSON value.

        Raises:
            ConversionError: what Lua cannot carry exactly.
            LimitExceeded: nested deeper than `Limits.depth`.
        """
        tokens: list[Any] = []
        try:
            self._put(value, tokens, self._depth)
        except _Refused as refused:
            raise ConversionError(refused.what, where=where, fix=refused.fix) from None
        except _TooDeep:
            raise LimitExceeded(
                "depth", self._depth, where=where, fix="nest less, or pass JSON text"
            ) from None
        return tokens

    def _put(self, value: Any, tokens: list[Any], left: int) -> None:
        kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind is str:
            tokens.append(value if value.isascii() else _text(value))
        elif kind is dict:
            self._put_object(value, tokens, left)
        elif kind is list or kind is tuple:
            self._put_array(value, tokens, left)
        elif kind is int or kind is float:
            tokens.append(_number(value))
        elif kind is bool or value is None:
            tokens.append(value)
        else:
            raise _Refused(f"{kind.__name__} has no JSON form", "pass JSON values")

    # The loops take short cuts for what values are mostly made of: a call costs more than a token.

    def _put_object(self, value: dict[Any, Any], tokens: list[Any], left: int) -> None:
        if left == 0:
            raise _TooDeep
        tokens.append(self._object)
        for key, item in value.items():
            if type(key) is not str:
                raise _Refused(f"object key {key!r} is not a string", "use str(key)")
            tokens.append(key if key.isascii() else _text(key))
            kind: Any = type(item)  # pyright: ignore[reportUnknownVariableType]
            if (kind is str and item.isascii()) or item is None or (kind is int and -MIDDLE < item < MIDDLE):
                tokens.append(item)
            else:
                self._put(item, tokens, left - 1)
        tokens.append(self._end)

    def _put_array(self, value: list[Any] | tuple[Any, ...], tokens: list[Any], left: int) -> None:
        if left == 0:
            raise _TooDeep
        tokens.append(self._array)
        for item in value:
            kind: Any = type(item)  # pyright: ignore[reportUnknownVariableType]
            if (kind is str and item.isascii()) or item is None or (kind is int and -MIDDLE < item < MIDDLE):
                tokens.append(item)
            else:
                self._put(item, tokens, left - 1)
        tokens.append(self._end)


class _TooDeep(Exception):
    pass


class _Refused(Exception):
    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def _number(value: float) -> float:
    if type_of(value) is int:
        if not INT_MIN <= value <= INT_MAX:
            raise _Refused("integer outside Lua's 64 bits", "pass it as text")
    elif not math.isfinite(value):
        raise _Refused(f"{value} is not a JSON number", "pass null or text")
    return value


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Refused(_SURROGATE, _REPLACE) from None
    return text


def utf8(text: str, where: str) -> bytes:
    """The bytes of a text that goes to Lua.

    Raises:
        ConversionError: it holds a lone surrogate.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ConversionError(_SURROGATE, where=where, fix=_REPLACE) from None


def rebuild(tokens: Iterable[Any]) -> Any:
    """The JSON value whose tokens came from Lua; objects with their names in order."""
    above: list[list[Any]] = []
    items: list[Any] = []
    for token in tokens:
        if type(token) is not _Mark:  # most of them
            items.append(token)
        elif token is END:
            done = _closed(items)
            items = above.pop()
            items.append(done)
        else:
            above.append(items)
            items = [token]
    return items[0]


def _closed(items: list[Any]) -> Any:
    if items[0] is ARRAY:
        del items[0]
        return items
    if len(items) == 3:  # noqa: PLR2004 - the mark, a name and its value
        return {items[1]: items[2]}
    names = items[1::2]
    members = dict(zip(names, items[2::2], strict=True))
    names.sort()
    return {name: members[name] for name in names}
