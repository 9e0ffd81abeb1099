"""Retry as data: how often, how long between, and after what (DESIGN section 5, *Retry*)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

FailureKind = Literal["error", "timeout", "blocked"]
"""`error`: the worker or its start failed; `timeout`: its deadline passed; `blocked`: it said `ok=false`."""


class Backoff(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Seconds before attempt n+1: `initial * factor ** (n - 1)`, at most `max`."""

    initial: float = 1.0
    factor: float = 2.0
    max: float = 60.0

    def delay_ms(self, failures: int) -> int:
        """Milliseconds to wait after `failures` failed attempts (from 1).

        >>> [Backoff(initial=0.5).delay_ms(n) for n in (1, 2, 3)]
        [500, 1000, 2000]
        """
        if self.initial <= 0:
            return 0
        try:
            seconds = self.initial * self.factor ** (failures - 1)
        except OverflowError:
            seconds = self.max
        return int(min(seconds, self.max) * 1000)


class RetryPolicy(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`max_attempts` counts all attempts, the first included; interruptions by a crash are not counted."""

    max_attempts: int = 1
    backoff: Backoff = Backoff()
    on: tuple[FailureKind, ...] = ("error", "timeout")


NO_RETRY = RetryPolicy()
