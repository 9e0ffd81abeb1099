"""JSON pointers (RFC 6901)."""

from __future__ import annotations

import re
from typing import Any, cast

from skep.errors import BadValue
from skep.values import type_of

_FORM = re.compile(r"(/([^~/]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


def is_pointer(text: str) -> bool:
    """Whether `text` has the form of a pointer; the empty one points to the whole.

    >>> [is_pointer(text) for text in ("", "/a/0", "/a~1b", "a", "/~2")]
    [True, True, True, False, False]
    """
    return _FORM.fullmatch(text) is not None


def pointed_at(value: Any, pointer: str) -> Any:
    """What `pointer` points at inside a JSON value.

    >>> pointed_at({"a/b": [1, {"": 2}]}, "/a~1b/1/")
    2

    Raises:
        BadValue: nothing is there.
    """
    found = value
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if type_of(found) is dict and key in found:
            found = found[key]
        elif type_of(found) is list and _INDEX.fullmatch(key) and int(key) < len(cast("list[Any]", found)):
            found = found[int(key)]
        else:
            raise BadValue(f"there is nothing at {pointer}")
    return found
