"""Output for machines: JSON on stdout, one value a line."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from skep.cli.text import UNSAFE


def json_text(value: Any) -> str:
    """`value` as compact JSON on one line, every control character an escape."""
    text = msgspec.json.encode(value).decode()
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_json(value: Any) -> None:
    """One line on stdout."""
    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()
