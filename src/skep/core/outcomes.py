"""How a dispatched attempt ended, as its caller sees it (the reference's `DispatchOutcome`)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Pass(Struct, frozen=True):
    """The last final said ok."""

    value: Any


class Blocked(Struct, frozen=True):
    """The worker said `ok=false`; `value` is what it said."""

    value: Any


class Suspended(Struct, frozen=True):
    """It waits for an answer to the question `key`."""

    key: str


class Cancelled(Struct, frozen=True): ...


class Timeout(Struct, frozen=True): ...


DispatchOutcome = Pass | Blocked | Suspended | Cancelled | Timeout
