"""The record of a session: every call whose result could differ the next time, in order.

A script that runs again from its first line gets the replies of the record, as long as it makes the same calls with
the same arguments; see `docs/design/strategies.md`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Raw, Struct

from skep import values
from skep.errors import JournalFailed, ReplayDiverged

NULL = Raw(b"null")
SETTLE_SECONDS = 30


class Call(Struct, frozen=True, array_like=True):
    """One call: what it was, SHA-256 of the canonical JSON of its arguments, its reply as JSON.

    A question that somebody else keeps with its answer (a run does) has no reply here.
    """

    name: str
    digest: str
    reply: Raw | None = None


class Record(Protocol):
    """Where the calls of one session are kept."""

    @property
    def past(self) -> Sequence[Call]:
        """The calls made before this process took the session up."""
        ...

    def add(self, call: Call) -> None:
        """Keep one more, before anything that rests on it is let out (R-ack). Thread-safe."""
        ...

    def once_durable(self, then: Callable[[], None]) -> None:
        """Call `then` when everything added so far outlives this process; never, if that does not come. Thread-safe."""
        ...


class Calls:
    """The calls of one run of a script: from the record while it lasts, then carried out and recorded."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._past = tuple(record.past)
        self._next = 0

    @property
    def replaying(self) -> bool:
        """Whether the next call was made before."""
        return self._next < len(self._past)

    @property
    def made(self) -> int:
        """How many calls this run of the script has made."""
        return self._next

    def reply(self, name: str, arguments: Any, do: Callable[[], Any]) -> Any:
        """The reply of a call that needs nobody from outside: recorded, or from `do` and then recorded.

        Raises:
            ReplayDiverged: the record has another call here.
        """
        digest = call_digest(arguments)
        recorded = self.recorded(name, digest)
        if recorded is not None and recorded.reply is not None:
            return msgspec.json.decode(recorded.reply)
        reply = do()
        self.add(Call(name, digest, Raw(values.canonical(reply))))
        return reply

    def coming(self) -> str | None:
        """The name of the recorded call at this place; null beyond the end."""
        return self._past[self._next].name if self.replaying else None

    def recorded(self, name: str, digest: str) -> Call | None:
        """The recorded call at this place, which is then past; null beyond the end.

        Raises:
            ReplayDiverged: the record has another call here.
        """
        if not self.replaying:
            return None
        call = self._past[self._next]
        if (call.name, call.digest) != (name, digest):
            what = (
                f"call {self._next} is {name}" if call.name != name else f"call {self._next}, {name}, differs"
            )
            raise ReplayDiverged(
                f"the script does not do again what it did: {what}, recorded was {call.name}",
                fix="run it anew; a strategy must not depend on addresses, threads or files that change",
            )
        self._next += 1
        return call

    def mark(self, name: str, digest: str) -> None:
        """Make a call whose replies are kept elsewhere.

        Raises:
            ReplayDiverged: the record has another call here.
        """
        if self.recorded(name, digest) is None:
            self.add(Call(name, digest))

    def add(self, call: Call) -> None:
        """Record a call that was carried out.

        Raises:
            ReplayDiverged: the record is not at its end.
        """
        if self.replaying:
            raise ReplayDiverged(f"{call.name} was carried out in the middle of a record")
        self._record.add(call)
        self._past = ()
        self._next = self._next + 1

    def once_durable(self, then: Callable[[], None]) -> None:
        """Call `then` when the calls made so far outlive this process; from any thread, or never."""
        self._record.once_durable(then)

    def settle(self) -> None:
        """Wait, on the script's thread, until the calls made so far outlive this process.

        Raises:
            JournalFailed: that takes longer than `SETTLE_SECONDS`.
        """
        settled = threading.Event()
        self._record.once_durable(settled.set)
        if not settled.wait(SETTLE_SECONDS):
            raise JournalFailed(f"the record of a script was not durable within {SETTLE_SECONDS} s")


def call_digest(arguments: Any) -> str:
    """What makes two calls of one name the same.

    >>> call_digest(["key", 1]) == call_digest(["key", 1])
    True
    """
    return values.digest(values.canonical(arguments))
