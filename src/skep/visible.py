"""Text from anywhere made harmless to a terminal (R-data)."""

from __future__ import annotations

import re

# C0, DEL and C1 drive a terminal; line separators and bidirectional overrides make it lie; UTF-8 has no
# form for a lone surrogate.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]",
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str, limit: int = 500) -> str:
    r"""One line of at most `limit` characters in which every control character can be seen.

    >>> visible("red: \x1b[31m\nend")
    'red: \\x1b[31m\\nend'
    """
    shown = UNSAFE.sub(_escape, text[:limit])
    return f"{shown[:limit]}…" if len(shown) > limit or len(text) > limit else shown


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return _SHORT.get(char) or (f"\\x{ord(char):02x}" if char <= "\xff" else f"\\u{ord(char):04x}")
