"""The filters of prompt templates: Jinja's names, JSON values in and out, each paying for what it touches.

Only what can neither grow without bound nor reach into Python is here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from skep.errors import LimitExceeded
from skep.limits import Limits
from skep.values import canonical, type_name, type_of

BUDGET_SLOT = " budget"
"""Where a rendering's budget stands in its context: no template can name it."""

MAX_INDENT = 100


class Budget:
    """What one rendering may still look at."""

    __slots__ = ("_left", "limits")

    def __init__(self, limits: Limits) -> None:
        self._left = limits.prompt_work
        self.limits = limits

    def spend(self, amount: int) -> None:
        """Raise `LimitExceeded` when the budget is used up."""
        self._left -= amount
        if self._left < 0:
            fix = "loop over less, or prepare the values in a step before"
            raise LimitExceeded("prompt_work", self.limits.prompt_work, where="system prompt", fix=fix)

    def text_of(self, length: int) -> None:
        """Pay for making a text; one that is longer than a prompt may be is refused before it is made."""
        if length > self.limits.prompt_rendered_chars:
            raise LimitExceeded(
                "prompt_rendered_chars", self.limits.prompt_rendered_chars, where="system prompt"
            )
        self.spend(length)


def budget_of(context: Context) -> Budget:
    return context.parent[BUDGET_SLOT]


def weight(value: Any) -> int:
    """What looking at `value` once costs: its characters, or its items and theirs."""
    if type_of(value) is str:
        return len(value)
    if type_of(value) in (list, tuple):
        return ITEM * len(value) + sum(len(item) for item in value if type_of(item) is str)
    return ITEM * len(value) if type_of(value) in _COLLECTIONS else 0


ITEM = 64
"""What an item, a loop turn or an operation costs, in characters."""
_EMPTY: dict[str, Any] = {}
_VIEWS: tuple[type[object], ...] = (type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items()))
_COLLECTIONS: tuple[type[object], ...] = (list, tuple, dict, str, *_VIEWS)


def shown(budget: Budget, value: Any) -> str:
    """How a value is printed: text as it is, anything else as compact JSON with sorted keys."""
    if isinstance(value, Undefined):
        return str(value)  # raises: nothing unknown is printed
    if type_of(value) is not str:
        plain = list(value) if type_of(value) in _VIEWS else value
        if type_of(plain) not in (type(None), bool, int, float, list, tuple, dict):
            raise TypeError("a method or loop cannot be printed")
        if type(plain) is float and not math.isfinite(plain):
            raise ValueError(f"{plain} is not a JSON number")
        value = canonical(plain).decode()
    budget.text_of(len(value))
    return value


# -- text --------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if type_of(value) is str:
        return value
    raise TypeError(f"needs text, got {type_name(value)}")


def _join(budget: Budget, value: Any, separator: str = "") -> str:
    parts = [shown(budget, item) for item in _list(budget, value)]
    budget.text_of(sum(map(len, parts)) + len(_text(separator)) * len(parts))
    return separator.join(parts)


def _replace(budget: Budget, value: Any, old: str, new: str) -> str:
    text, count = _text(value), _text(value).count(_text(old)) if old else 0
    if not old:
        raise ValueError("needs a text to replace")
    budget.text_of(len(text) + count * max(0, len(_text(new)) - len(old)))
    return text.replace(old, new)


def _indent(budget: Budget, value: Any, width: int = 4, first: bool = False) -> str:
    if type(width) is not int or not 0 <= width <= MAX_INDENT:
        raise ValueError(f"needs a width within 0 and {MAX_INDENT}")
    lines = _text(value).splitlines()
    budget.text_of(len(value) + width * len(lines))
    padding = " " * width
    indented = f"\n{padding}".join(lines)
    return padding + indented if first else indented


def _truncate(_: Budget, value: Any, length: int = 255, end: str = "...") -> str:
    text = _text(value)
    return text if len(text) <= length else text[: max(0, length - len(end))] + end


# -- collections -------------------------------------------------------------------------------


def items_of(value: Any) -> Iterable[Any]:
    """`value`, if there is something to go through."""
    if type_of(value) in _COLLECTIONS:
        return value
    raise TypeError(f"needs an array, an object or text, got {type_name(value)}")


def _list(budget: Budget, value: Any) -> list[Any]:
    items = list(items_of(value))
    budget.spend(weight(items))
    return items


def _items(_: Budget, value: Any) -> list[Any]:
    if type_of(value) is dict:
        return list(value.items())
    raise TypeError(f"needs an object, got {type_name(value)}")


def _sort(budget: Budget, value: Any, reverse: bool = False, attribute: str | None = None) -> list[Any]:
    key: Callable[[Any], Any] | None = None if attribute is None else lambda item: item[attribute]
    return sorted(_list(budget, value), key=key, reverse=reverse)


def _unique(budget: Budget, value: Any) -> list[Any]:
    return list({shown(budget, item): item for item in reversed(_list(budget, value))}.values())[::-1]


def _first(budget: Budget, value: Any) -> Any:
    return _list(budget, value)[0]


def _last(budget: Budget, value: Any) -> Any:
    return _list(budget, value)[-1]


def _reverse(budget: Budget, value: Any) -> list[Any]:
    return _list(budget, value)[::-1]


def _length(_: Budget, value: Any) -> int:
    items: Any = items_of(value)
    return len(items)


def _default(_: Budget, value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    return fallback if isinstance(value, Undefined) or (boolean and not value) else value


# -- the table ---------------------------------------------------------------------------------


def _of_text(change: Callable[[str], str]) -> Callable[[Budget, Any], str]:
    return lambda _, value: change(_text(value))


def _of_value(change: Callable[..., Any]) -> Callable[..., Any]:
    def apply(_: Budget, *args: Any) -> Any:
        return change(*args)

    return apply


def _as_json(budget: Budget, value: Any) -> str:
    return shown(budget, [value])[1:-1]


_FILTERS: dict[str, Callable[..., Any]] = {
    "abs": _of_value(abs),
    "capitalize": _of_text(str.capitalize),
    "count": _length,
    "d": _default,
    "default": _default,
    "first": _first,
    "float": _of_value(float),
    "indent": _indent,
    "int": _of_value(int),
    "items": _items,
    "join": _join,
    "last": _last,
    "length": _length,
    "list": _list,
    "lower": _of_text(str.lower),
    "replace": _replace,
    "reverse": _reverse,
    "round": _of_value(round),
    "sort": _sort,
    "string": shown,
    "title": _of_text(str.title),
    "tojson": _as_json,
    "trim": _of_text(str.strip),
    "truncate": _truncate,
    "unique": _unique,
    "upper": _of_text(str.upper),
}


def _paying(name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
    @pass_context
    @wraps(apply)
    def filtered(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, Undefined) and apply is not _default:
            str(value)  # raises
        budget = budget_of(context)
        budget.spend(ITEM + (len(value) if type_of(value) is str else 0))
        try:
            return apply(budget, value, *args, **kwargs)
        except (TypeError, ValueError, OverflowError, LookupError) as error:
            raise TypeError(f"filter {name!r}: {error}") from error

    return filtered


FILTERS = {name: _paying(name, apply) for name, apply in _FILTERS.items()}
