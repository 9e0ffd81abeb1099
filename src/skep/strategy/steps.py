"""What happens next in a script: it asks, forks, ends or fails; and the port behind which one runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from skep.strategy.queries import Query, Reply


class Asked(Struct, frozen=True):
    """It waits for the answers to these queries."""

    queries: tuple[Query, ...]


class Forked(Struct, frozen=True):
    """It waits for strategies that it started, each a script of its own."""

    children: tuple[Stepper, ...]


class Ended(Struct, frozen=True):
    """It returned a value."""

    value: Any


class Raised(Struct, frozen=True):
    """It failed; `error` is the text, with place and traceback. `code` is that of a `SkepError`."""

    error: str
    code: str = "E-LUA"


Last = Ended | Raised
Step = Asked | Forked | Last
Input = Sequence[Reply] | Sequence[Last] | None
"""What a script goes on with: answers, the ends of its children, or nothing at its start."""

Mode = Literal["trusted", "untrusted"]


class Stepper(Protocol):
    """One script that runs from step to step. It may begin anew: what it did before is in its record."""

    async def step(self, given: Input) -> Step:
        """Run on. Never raises for what the script did; once closed, `Raised`."""
        ...

    async def close(self) -> None:
        """Drop the VM, also in the middle of a step."""
        ...
