"""What a journal tells its loop: commits, failures, and who waits for which sequence number.

Used by both adapters, and only on the loop's thread.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any, TypeVar, overload

from skep.core.events import AnyEvent
from skep.errors import Fenced, JournalError, JournalFailed
from skep.journal.base import Durable, FailureListener, Listener, Recorded

E = TypeVar("E", bound=JournalError)

CommittedRow = tuple[int, str, int, Sequence[AnyEvent]]
"""Position, log, version of the first event, events."""


class Committed(Sequence[Recorded]):
    """The events of a commit as `Recorded`, made when somebody looks: mostly nobody does."""

    def __init__(self, rows: Sequence[CommittedRow]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return sum(len(events) for _, _, _, events in self._rows)

    def __iter__(self) -> Iterator[Recorded]:
        for position, log, version, events in self._rows:
            for number, event in enumerate(events, version):
                yield Recorded(position, log, number, event)

    @overload
    def __getitem__(self, index: int) -> Recorded: ...
    @overload
    def __getitem__(self, index: slice) -> list[Recorded]: ...
    def __getitem__(self, index: int | slice) -> Recorded | list[Recorded]:
        return list(self)[index]


class Announcer:
    """Listeners, waiters, and the logs that were lost to another owner."""

    def __init__(self) -> None:
        self.durable = 0
        self.fenced: dict[str, Fenced] = {}
        self._lost: dict[int, Fenced] = {}
        self._failure: JournalFailed | None = None
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._listeners: list[tuple[Listener, FailureListener]] = []

    @property
    def failure(self) -> JournalFailed | None:
        """Why the journal has stopped."""
        return self._failure

    @property
    def listening(self) -> bool:
        return bool(self._listeners)

    def listen(self, on_durable: Listener, on_failure: FailureListener) -> None:
        self._listeners.append((on_durable, on_failure))

    async def flushed(self, seq: int) -> None:
        if self.durable < seq and self._failure is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiters, (seq, next(self._numbers), waiter))
            await waiter
        if seq in self._lost:
            raise same_failure(self._lost[seq])
        if self.durable < seq and self._failure is not None:
            raise same_failure(self._failure)

    def committed(self, seq: int, rows: Sequence[CommittedRow]) -> None:
        """Every append up to `seq` is durable, except those that `lost` was told of."""
        self.durable = seq
        durable = Durable(seq, Committed(rows))
        for on_durable, _ in self._listeners:
            _call(on_durable, durable)
        while self._waiters and self._waiters[0][0] <= seq:
            _wake(heapq.heappop(self._waiters)[2])

    def lost(self, log: str, seqs: Iterable[int], error: Fenced | None = None) -> Fenced | None:
        """These appends to `log` are not in the store: another owner has it, or `error`. The news, if it is news."""
        known = self.fenced.get(log)
        error = known or error or fenced_error(log)
        self.fenced[log] = error
        self._lost.update(dict.fromkeys(seqs, error))
        return error if known is None else None

    def warn(self, error: Exception) -> None:
        """Tell the failure listeners."""
        for _, on_failure in self._listeners:
            _call(on_failure, error)

    def regained(self, log: str) -> None:
        """We own `log` again."""
        if self.fenced.pop(log, None) is not None:
            self._lost = {seq: error for seq, error in self._lost.items() if error.where != log}

    def failed(self, error: JournalFailed) -> None:
        """The journal has stopped (R-stop)."""
        if self._failure is not None:
            return
        self._failure = error
        self.warn(error)
        self._wake_all()

    def closed(self) -> None:
        """Nothing more will become durable."""
        if self._failure is None:
            self._failure = JournalFailed("the journal is closed", fix="open the store again")
        self._wake_all()

    def _wake_all(self) -> None:
        for _, _, waiter in self._waiters:
            _wake(waiter)
        self._waiters.clear()


def fenced_error(log: str) -> Fenced:
    return Fenced(
        "another owner has taken this log over", where=log, fix="drop it: its new owner goes on with it"
    )


def same_failure(failure: E) -> E:
    """A new error that says the same: one instance raised in many places would gather their tracebacks."""
    error = type(failure)(failure.what, where=failure.where, fix=failure.fix)
    error.__cause__ = failure.__cause__
    return error


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _call(listener: Callable[[Any], None], argument: object) -> None:
    """One listener's error must not keep the news from the others, nor from those who wait."""
    try:
        listener(argument)
    except Exception as error:  # noqa: BLE001 - reported to the loop, like an error in any callback
        asyncio.get_running_loop().call_exception_handler(
            {"message": "error in a journal listener", "exception": error}
        )
