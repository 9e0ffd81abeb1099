"""The published fingerprints of cards: 64-bit DJB2 over JSON with sorted names, no spaces and no escapes."""

from __future__ import annotations

from typing import Any, cast

import msgspec

_MASK = (1 << 64) - 1


def fingerprint(value: Any) -> str:
    """16 hex digits.

    >>> fingerprint({"b": 1.0, "a": [True, None]}) == fingerprint({"a": [True, None], "b": 1.0})
    True
    >>> fingerprint("")
    '0000000000596ec9'
    """
    hashed = 5381
    for byte in stable(value).encode():
        hashed = (hashed * 33 + byte) & _MASK
    return f"{hashed:016x}"


def stable(value: Any) -> str:
    """What is hashed.

    >>> stable({"b": [1, 2.0], "a": 'say "x"'})
    '{"a":"say "x"","b":[1,2.0]}'
    """
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{','.join(map(stable, cast('list[Any]', value)))}]"
    if isinstance(value, dict):
        items = sorted(cast("dict[str, Any]", value).items())
        return f"{{{','.join(f'{stable(name)}:{stable(item)}' for name, item in items)}}}"
    return msgspec.json.encode(value).decode()


def model_short(model_id: object) -> str:
    """The model as it stands in the id of a card.

    >>> model_short("claude-opus-4-6"), model_short(None)
    ('opus46', 'model')
    """
    name = model_id if isinstance(model_id, str) else ""
    name = name.removeprefix("claude-") if name.startswith("claude-") else name.removeprefix("gpt-")
    return "".join(char for char in name if char.isascii() and char.isalnum()) or "model"
