"""Hypothesis strategies for the journal's events; needs the `test` extra."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from skep.core.events import EVENT_TYPES, AnyEvent

texts = st.text(max_size=12)
integers = st.integers(-(2**63), 2**63 - 1)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
"""Values that JSON carries exactly."""

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Any: json_values,
    msgspec.Raw: json_values.map(lambda value: msgspec.Raw(msgspec.json.encode(value))),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    int: integers,
    str: texts,
    type(None): st.none(),
}


def any_event() -> st.SearchStrategy[AnyEvent]:
    """Any event of any kind, every field filled in or left out."""
    return st.one_of([struct_of(kind) for kind in EVENT_TYPES])


def struct_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Instances of one msgspec struct, by the types of its fields."""
    return st.builds(kind, **{name: _of(hint) for name, hint in get_type_hints(kind).items()})


def _of(hint: Any) -> st.SearchStrategy[Any]:
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([_of(arg) for arg in args])
    if origin is tuple:
        return st.lists(_of(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(_of(args[0]), _of(args[1]), max_size=3)
    return struct_of(hint)
