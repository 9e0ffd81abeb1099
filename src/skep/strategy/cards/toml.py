"""Cards as TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, cast

import tomli_w

from skep.errors import LimitExceeded, StrategyError
from skep.strategy.files import read

MAX_CARD_BYTES = 1 << 20


def load(path: Path, limit: int = MAX_CARD_BYTES) -> dict[str, Any] | None:
    """The document as JSON values; null if there is no such file.

    Raises:
        LimitExceeded, StrategyError: it is too large, cannot be read or is no TOML.
    """
    data = read(path, limit)
    if data is None:
        return None
    try:
        return {name: _json(value) for name, value in tomllib.loads(data.decode()).items()}
    except (tomllib.TOMLDecodeError, UnicodeError, RecursionError) as error:
        raise StrategyError(
            f"is no TOML: {error}", where=str(path), fix="mend it, or move it away"
        ) from error


def dump(document: Mapping[str, Any], what: str, limit: int = MAX_CARD_BYTES) -> bytes:
    """TOML has no null: what is null is left out. Raises `LimitExceeded`."""
    data = tomli_w.dumps(without_nulls(document)).encode()
    if len(data) > limit:
        raise LimitExceeded("max_card_bytes", limit, where=what, fix="put what is long into samples")
    return data


def without_nulls(value: Any) -> Any:
    """The value without its nulls, at every depth.

    >>> without_nulls({"a": None, "b": [1, None, {"c": None}]})
    {'b': [1, {}]}
    """
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value)
        return {name: without_nulls(item) for name, item in named.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in cast("list[Any]", value) if item is not None]
    return value


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _json(item) for name, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_json(item) for item in cast("list[Any]", value)]
    if isinstance(value, (date, datetime, time)):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and value - value != 0:
        return None  # infinite, or no number
    return value
