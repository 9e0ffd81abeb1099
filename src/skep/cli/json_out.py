"""Output for machines: JSON on stdout, one value a line."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

import msgspec

from skep.visible import UNSAFE


def json_text(value: Any) -> str:
    """`value` as compact JSON on one line, every control character an escape."""
    text = msgspec.json.encode(value).decode()
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


_reserved: list[TextIO] = []


@contextmanager
def reserved() -> Generator[None]:
    """Meanwhile stdout is for `print_json` alone: what Python workers print goes to stderr."""
    _reserved.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _reserved.pop()


def print_json(value: Any) -> None:
    """One line on stdout."""
    stdout = _reserved[-1] if _reserved else sys.stdout
    stdout.write(json_text(value) + "\n")
    stdout.flush()
