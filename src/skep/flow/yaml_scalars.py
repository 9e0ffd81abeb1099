"""What a plain YAML scalar means here: YAML 1.2's core, and an error where versions of YAML disagree.

YAML 1.1 reads `on` and `yes` as booleans and `0777` as 511, 1.2 reads text and 777. A reader who may mean
either is asked to write it so that both agree. Timestamps are text.
"""

from __future__ import annotations

import re
from math import isinf
from typing import Any

_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_SWITCHES = {form for word in ("yes", "no", "on", "off") for form in (word, word.title(), word.upper())}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_UNCLEAR_NUMBER = re.compile(
    r"[-+]?(?:0[0-9_]+|0[xX][0-9a-fA-F_]+|0[ob][0-7_]+|(?=[0-9]+_)[0-9_]+(?:\.[0-9_]*)?)"
)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAX_DIGITS = 20


class UnclearScalarError(ValueError):
    """A scalar that has no one meaning; `fix` says how to write it."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.fix = fix


def plain_value(text: str) -> Any:
    """The value of an unquoted scalar.

    >>> [plain_value(text) for text in ("true", "12", "1e3", "~", "2024-01-01", "a b")]
    [True, 12, 1000.0, None, '2024-01-01', 'a b']

    Raises:
        UnclearScalarError: versions of YAML disagree about it, or no JSON number holds it.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text in _SWITCHES:
        raise UnclearScalarError(
            f"{text!r} is a boolean in some versions of YAML and text in others",
            f'write true, false or "{text}"',
        )
    if _INTEGER.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise UnclearScalarError("integer outside 64 bits", f'write it as text: "{text[:30]}"')
        return int(text)
    if _UNCLEAR_NUMBER.fullmatch(text):
        raise UnclearScalarError(
            f"{text[:40]!r} is another number in another version of YAML",
            f'write it in plain decimal, or as text: "{text[:40]}"',
        )
    if _FLOAT.fullmatch(text):
        number = float(text)
        if isinf(number):
            raise UnclearScalarError(f"number {text[:40]} is too large", "write it as text")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise UnclearScalarError(f"{text} is not a JSON number", "write null or text")
    return text


def plain_key(text: str) -> str:
    """The key that an unquoted scalar stands for: `on`, `yes`, `no`, `off` are text here.

    Raises:
        UnclearScalarError: a key that YAML reads as a number, a boolean or null.
    """
    if text in _SWITCHES:
        return text
    if not isinstance(plain_value(text), str):
        raise UnclearScalarError(f"key {text!r} is not text", f'quote it: "{text[:40]}"')
    return text
