"""What is kept of one session: from this it comes back, see `docs/design/strategies.md`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from skep.strategy.calls import Call, Record
from skep.strategy.outcomes import End
from skep.strategy.queries import Reply


class Answered(Struct, frozen=True):
    """An answer and when it came, in milliseconds since the epoch."""

    reply: Reply
    at: int


class Seeds(Struct, frozen=True):
    """What decides the order of `pairs` over strings, and the numbers of `math.random`."""

    strings: int
    numbers: int


class SessionRecord(Protocol):
    """The record of a session and, by name, those of the scripts that it forks."""

    started_at: int
    seeds: Seeds

    def calls(self, branch: str) -> Record:
        """The calls of the session's own script (`""`) or of a child."""
        ...

    @property
    def answers(self) -> Mapping[str, Answered]:
        """By the ids of queries."""
        ...

    def answer(self, query_id: str, reply: Reply, at: int) -> None:
        """Keep an answer."""
        ...

    def end(self, end: End) -> None:
        """Keep how it ended; nothing follows."""
        ...

    async def flushed(self) -> None:
        """Return when everything so far is durable (R-ack). Raises `JournalFailed`."""
        ...


class MemoryCalls:
    """The calls of one script, for as long as the process lives."""

    def __init__(self) -> None:
        self._made: list[Call] = []

    @property
    def past(self) -> Sequence[Call]:
        return tuple(self._made)

    def add(self, call: Call) -> None:
        self._made.append(call)

    def once_durable(self, then: Callable[[], None]) -> None:
        """At once: the session lives no longer than its record."""
        then()


class MemoryRecord:
    """A record that lives as long as the process: what eviction needs."""

    def __init__(self, started_at: int, seeds: Seeds | None = None) -> None:
        self.started_at = started_at
        self.seeds = seeds or Seeds(secrets.randbits(32), secrets.randbits(63))
        self.answers: dict[str, Answered] = {}
        self._calls: dict[str, MemoryCalls] = {}

    def calls(self, branch: str) -> Record:
        return self._calls.setdefault(branch, MemoryCalls())

    def answer(self, query_id: str, reply: Reply, at: int) -> None:
        self.answers[query_id] = Answered(reply, at)

    def end(self, end: End) -> None:
        """The holder's session knows."""

    async def flushed(self) -> None:
        """Nothing outlives the process."""
