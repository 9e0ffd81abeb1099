"""What a session has come to (reference: strategy runtime, 1.3)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from skep.strategy.queries import Query


class NeedsResponse(Struct, frozen=True):
    """It waits for answers to these queries, in any order."""

    queries: tuple[Query, ...]


class Completed(Struct, frozen=True):
    """It returned `result`, a JSON value. `stats` is `{"auto": ..., "custom": ...}`."""

    result: Any
    stats: dict[str, Any]


class Failed(Struct, frozen=True):
    """It raised. `code` is stable: `E-LUA` for an error of the script itself."""

    error: str
    stats: dict[str, Any]
    code: str = "E-LUA"


class Cancelled(Struct, frozen=True):
    """It was ended from outside, for `reason`."""

    reason: str
    stats: dict[str, Any]


End = Completed | Failed | Cancelled
Outcome = NeedsResponse | End
