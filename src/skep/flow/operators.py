"""What the operators of expressions do with JSON values: pure functions that return legal JSON values.

Booleans are not numbers here, integers stay integers, and whatever would leave JSON raises.
"""

from __future__ import annotations

import math
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any

from skep import values
from skep.errors import DivisionByZero, EvalError, InvalidPath, LimitExceeded, PathNotFound
from skep.flow.equality import member
from skep.flow.growth import check_growth
from skep.flow.problems import did_you_mean
from skep.limits import DEFAULT_LIMITS
from skep.values import INT_MAX, INT_MIN, type_name, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_CHARS = DEFAULT_LIMITS.max_value_bytes
MAX_ITEMS = DEFAULT_LIMITS.max_value_bytes // 2


def truthy(value: Any) -> bool:
    """Only null and false are falsy; 0, "" and [] are truthy."""
    return value is not None and value is not False


# -- arithmetic --------------------------------------------------------------------------------


def _is_number(value: object) -> bool:
    kind = type(value)
    return kind is int or kind is float


def _two_numbers(verb: str, a: object, b: object) -> None:
    if type(a) is type(b) is int or (_is_number(a) and _is_number(b)):
        return
    joins = verb == "add" and type(a) in (str, list)
    fix = "use concat(...) to join text or arrays" if joins else "give it numbers"
    raise EvalError(f"{verb} needs two numbers, got {type_name(a)} and {type_name(b)}", fix=fix)


def _legal(verb: str, result: Any) -> Any:
    if type(result) is int:
        if INT_MIN <= result <= INT_MAX:
            return result
        raise EvalError(
            f"the result of {verb} is an integer outside 64 bits",
            fix="use a fraction, such as 1.0, to go on in floats",
        )
    if math.isfinite(result):
        return result
    raise EvalError(f"the result of {verb} is too large for a JSON number", fix="use smaller numbers")


def add(a: Any, b: Any) -> Any:
    _two_numbers("add", a, b)
    return _legal("add", a + b)


def sub(a: Any, b: Any) -> Any:
    _two_numbers("sub", a, b)
    return _legal("sub", a - b)


def mul(a: Any, b: Any) -> Any:
    _two_numbers("mul", a, b)
    return _legal("mul", a * b)


def div(a: Any, b: Any) -> Any:
    """Two integers that divide evenly give an integer, everything else a float."""
    _two_numbers("div", a, b)
    if b == 0:
        raise DivisionByZero("division by zero", fix=_DIVISOR)
    if type(a) is int and type(b) is int and a % b == 0:
        return _legal("div", a // b)
    return _legal("div", a / b)


def mod(a: Any, b: Any) -> Any:
    """The remainder, with the sign of the right side."""
    _two_numbers("mod", a, b)
    if b == 0:
        raise DivisionByZero("modulo by zero", fix=_DIVISOR)
    return _legal("mod", a % b)


# -- order -------------------------------------------------------------------------------------


_ORDERED = frozenset((int, float, str))


def _comparison(verb: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(a: Any, b: Any) -> bool:
        if type(a) is type(b) and type(a) in _ORDERED:
            return compare(a, b)
        if _is_number(a) and _is_number(b):
            return compare(a, b)
        message = f"{verb} needs two numbers or two strings, got {type_name(a)} and {type_name(b)}"
        raise EvalError(message, fix="compare values of one type, or use == and !=")

    return ordered


less = _comparison("lt", lt)
less_or_equal = _comparison("lte", le)
greater = _comparison("gt", gt)
greater_or_equal = _comparison("gte", ge)


def smallest(args: list[Any]) -> Any:
    """The first least of the args, or of the items of one array."""
    return _extreme("min", less, args)


def largest(args: list[Any]) -> Any:
    """The first greatest of the args, or of the items of one array."""
    return _extreme("max", greater, args)


def _extreme(verb: str, better: Callable[[Any, Any], bool], args: list[Any]) -> Any:
    if len(args) == 1 and type_of(args[0]) is list:
        args = args[0]
    if not args:
        raise EvalError(f"{verb} of nothing", fix="test len(...) first")
    best = args[0]
    if not _is_number(best) and type(best) is not str:
        raise EvalError(f"{verb} needs numbers or strings, got {type_name(best)}", fix="give it those")
    for item in args[1:]:
        if better(item, best):
            best = item
    return best


# -- arrays, objects and text --------------------------------------------------------------------


def length(value: Any) -> int:
    """Items of an array, characters of a string, keys of an object."""
    if type_of(value) in (list, str, dict):
        return len(value)
    message = f"len needs an array, a string or an object, got {type_name(value)}"
    raise EvalError(message, fix="name one of those, or test exists(...) first")


def sorted_keys(value: Any) -> list[str]:
    if type_of(value) is dict:
        return sorted(value)
    raise EvalError(f"keys needs an object, got {type_name(value)}", fix="name an object, as in $.scores")


def contains(needle: Any, haystack: Any) -> bool:
    """Item in array, key in object, substring in string."""
    kind = type_of(haystack)
    if kind is list:
        return member(needle, haystack)
    if kind is not dict and kind is not str:
        message = f"in needs an array, an object or a string on its right, got {type_name(haystack)}"
        raise EvalError(message, fix="name one of those, as in 'x' in $.names")
    if type_of(needle) is not str:
        message = f"in needs a string to look for in {_an(haystack)}, got {type_name(needle)}"
        raise EvalError(message, fix="use format('{}', x) to make text")
    return needle in haystack


def item_at(of: Any, at: Any) -> Any:
    """`of[at]`: an array by integer, negative from its end, an object by string."""
    kinds = type_of(of), type_of(at)
    if kinds == (list, int):
        if -len(of) <= at < len(of):
            return of[at]
        raise PathNotFound(f"path not found: index {at} of an array of length {len(of)}", fix=_GUARD)
    if kinds == (dict, str):
        if at in of:
            return of[at]
        known = [key for key in of if len(key) <= _HINTED_CHARS] if len(of) <= _HINTED_KEYS else []
        raise PathNotFound(
            f"path not found: key {at[:_HINTED_CHARS]!r} of an object", fix=did_you_mean(at, known) or _GUARD
        )
    fix = "an array takes an integer, an object a string"
    raise InvalidPath(f"{_an(of)} cannot be indexed with {_an(at)}", fix=fix)


def concat(args: list[Any]) -> Any:
    """Strings to a string, or arrays to an array."""
    if all(type(arg) is str for arg in args):
        return _joined("concat", args)
    if all(type(arg) is list for arg in args):
        if sum(map(len, args)) > MAX_ITEMS:
            raise LimitExceeded("max_value_bytes", DEFAULT_LIMITS.max_value_bytes, where="concat")
        return [item for arg in args for item in arg]
    kinds = ", ".join(type_name(arg) for arg in args[:_HINTED_KEYS])
    raise EvalError(
        f"concat needs only strings or only arrays, got {kinds}", fix="use format('{}', x) to make text"
    )


def fill(pieces: tuple[str, ...], args: list[Any]) -> str:
    """`pieces` with args between them: strings verbatim, the rest as compact JSON with sorted keys."""
    texts = [pieces[0]]
    for arg, piece in zip(args, pieces[1:], strict=True):
        texts += (arg if type(arg) is str else _json_text(arg), piece)
    return _joined("format", texts)


def _json_text(value: Any) -> str:
    check_growth(value, where="format")
    return values.canonical(value).decode()


def _joined(verb: str, texts: Iterable[str]) -> str:
    texts = list(texts)
    if sum(map(len, texts)) > MAX_CHARS:
        raise LimitExceeded("max_value_bytes", MAX_CHARS, where=verb)
    return "".join(texts)


def _an(value: Any) -> str:
    return f"{'an' if type(value) in (list, dict) else 'a'} {type_name(value)}"


_DIVISOR = "divide by something else, or ask first, as in a branch with cond: $.n != 0"
_GUARD = "test exists(...) or len(...) first"
_HINTED_KEYS = 30
_HINTED_CHARS = 60
