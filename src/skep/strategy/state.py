"""Namespaced state: `{home}/state/NS.json`, one JSON object for each namespace (strategy runtime, 2.6 and 6.1)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import msgspec

from skep.errors import LimitExceeded, StrategyError
from skep.strategy.effects import Change
from skep.strategy.files import check_name, pretty, read

MAX_NAMESPACE_BYTES = 16 << 20
"""One namespace, as a file."""
MAX_VALUE_BYTES = 1 << 20
"""One value, encoded as JSON."""
MAX_KEY_CHARS = 1_024


class State:
    """One namespace. The methods that change it return a `Change`, to be carried out under the lock of `scope`."""

    def __init__(self, home: Path, namespace: object) -> None:
        """Raises `StrategyError`: a name that cannot be one."""
        self._namespace = check_name(namespace, "namespace")
        self._path = home / "state" / f"{self._namespace}.json"
        self.scope = f"state-{self._namespace}"

    def get(self, key: str) -> dict[str, Any]:
        """`{"found", "value"}`: a null that was stored is not the same as nothing."""
        values = self._load()
        return {"found": key in values, "value": values.get(key)}

    def keys(self) -> list[str]:
        """Sorted."""
        return sorted(self._load())

    def has(self, key: str) -> bool:
        return key in self._load()

    def set(self, key: str, value: Any = None) -> Change:
        """Store a value, null included."""
        return self._changed(self._load(), key, value, None)

    def set_nx(self, key: str, value: Any = None) -> Change:
        """Store a value if there is none; whether it was stored."""
        values = self._load()
        return Change(reply=False) if key in values else self._changed(values, key, value, reply=True)

    def incr(self, key: str, delta: Any = None, default: Any = None) -> Change:
        """Add to a number and keep the sum, always as a float; the sum."""
        values = self._load()
        before = _number(values.get(key, 0 if default is None else default), f"value at '{key}'")
        after = before + _number(1 if delta is None else delta, "delta")
        if not math.isfinite(after):
            raise StrategyError(f"incr: value at '{key}' would be no finite number")
        return self._changed(values, key, after, after)

    def delete(self, key: str) -> Change:
        """Forget a key; whether it was there."""
        values = self._load()
        if key not in values:
            return Change(reply=False)
        del values[key]
        return Change(reply=True, path=self._path, content=pretty(values))

    def _changed(self, values: dict[str, Any], key: str, value: Any, reply: Any) -> Change:
        if len(key) > MAX_KEY_CHARS:
            raise LimitExceeded("max_state_key_chars", MAX_KEY_CHARS, where="alc.state")
        if len(msgspec.json.encode(value)) > MAX_VALUE_BYTES:
            raise LimitExceeded(
                "max_state_value_bytes", MAX_VALUE_BYTES, where=f"alc.state: key '{key[:100]}'"
            )
        content = pretty(values | {key: value})
        if len(content) > MAX_NAMESPACE_BYTES:
            raise LimitExceeded(
                "max_state_bytes",
                MAX_NAMESPACE_BYTES,
                where=f"alc.state: namespace '{self._namespace}'",
                fix="delete keys, or use a namespace more",
            )
        return Change(reply=reply, path=self._path, content=content)

    def _load(self) -> dict[str, Any]:
        data = read(self._path, MAX_NAMESPACE_BYTES)
        if data is None:
            return {}
        try:
            return msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise StrategyError(
                f"Failed to parse state '{self._namespace}': {error}",
                fix=f"mend {self._path}, or move it away",
            ) from error


def _number(value: Any, what: str) -> float:
    if type(value) not in (int, float):
        raise StrategyError(f"incr: {what} is not a number")
    return float(cast("float", value))
