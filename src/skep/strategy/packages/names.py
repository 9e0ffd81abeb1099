"""What a package may be called."""

from __future__ import annotations

import re

from skep.errors import PackageError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_NEW = re.compile(r"[a-z][a-z0-9_]{0,63}")


def is_name(text: str) -> bool:
    """Whether a package may have this name.

    >>> [is_name(name) for name in ("self-consistency", "", "../cot", 'a"b', "9lives")]
    [True, False, False, False, False]
    """
    return _NAME.fullmatch(text) is not None


def check_name(text: str) -> str:
    """`text`, if a package may be called so. Raises `PackageError`."""
    if not is_name(text):
        raise PackageError(
            f"{text[:100]!r} is no name for a package",
            fix="a letter, then at most 63 letters, digits, _ and -",
        )
    return text


def check_new_name(text: str) -> str:
    """`text`, if a package that is begun now may be called so: every tool can name such a one."""
    if not _NEW.fullmatch(text):
        raise PackageError(
            f"{text[:100]!r} is no name for a new package",
            fix="a small letter, then at most 63 small letters, digits and _",
        )
    return text
