"""Who listens: subscribers see only what is durable, each behind a bounded queue (R-ack, R-bound)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import groupby

from skep.errors import Lagged
from skep.journal.base import Durable, Recorded, StreamBatch, StreamItem

StreamListener = Callable[[StreamItem], None]
Check = Callable[[], Awaitable[object]]
"""Raises when who listens may do so no longer."""
CHECK_SECONDS = 1.0
"""How often that is asked while there is nothing to be heard."""


class Subscription:
    """An async iterator over durable events, of one log or of all.

    Raises:
        Lagged: its queue ran over; `position` says where to read on.
        AuthorityError: the token that it was opened with has ended.
    """

    def __init__(
        self, log: str | None, size: int, close: Callable[[Subscription], None], check: Check | None
    ) -> None:
        self.log = log
        self._check = check
        self._size = size
        self._queue: deque[Recorded] = deque()
        self._wake: asyncio.Event = asyncio.Event()
        self._position: int | None = None
        self._lagged = False
        self._closed = False
        self._close = close

    def offer(self, row: Sequence[Recorded]) -> None:
        """Take a row of the journal in, whole or not at all: a full queue ends the subscription with `Lagged`."""
        if self._lagged or (self.log is not None and row[0].log != self.log):
            return
        if self._position is None:
            self._position = row[0].position - 1
        if len(self._queue) + len(row) > self._size:
            self._lagged = True
        else:
            self._queue += row
        self._wake.set()

    def end(self) -> None:
        """No further event will come."""
        self._closed = True
        self._wake.set()

    def __aiter__(self) -> AsyncIterator[Recorded]:
        return self

    async def __anext__(self) -> Recorded:
        while not self._queue:
            if self._lagged:
                self.close()
                raise Lagged(self._position or 0)
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._news()
        await self._checked()
        recorded = self._queue.popleft()
        self._position = recorded.position
        return recorded

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._close(self)
        self.end()

    async def _news(self) -> None:
        if self._check is None:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            await self._checked()

    async def _checked(self) -> None:
        if self._check is None:
            return
        try:
            await self._check()
        except BaseException:
            self.close()
            raise


class Subscriptions:
    """All subscribers of one engine."""

    def __init__(self, queue_size: int) -> None:
        self._size = queue_size
        self._subscribers: set[Subscription] = set()
        self._wakers: dict[str, set[asyncio.Event]] = {}
        self._streams: dict[str, list[StreamListener]] = {}

    def subscribe(self, log: str | None = None, check: Check | None = None) -> Subscription:
        """Events from now on, of one log or of all; `check` is asked before each of them, and each second."""
        subscription = Subscription(log, self._size, self._subscribers.discard, check)
        self._subscribers.add(subscription)
        return subscription

    def durable(self, news: Durable) -> None:
        """A commit is durable: hand it on and wake who waits for its logs."""
        if self._subscribers:
            for _, row in groupby(news.recorded, key=lambda recorded: recorded.position):
                events = list(row)
                for subscription in tuple(self._subscribers):
                    subscription.offer(events)
        if self._wakers:
            for log in {recorded.log for recorded in news.recorded}:
                for waker in self._wakers.get(log, ()):
                    waker.set()

    def watch(self, log: str) -> asyncio.Event:
        """An event that is set whenever `log` has grown durably."""
        waker = asyncio.Event()
        self._wakers.setdefault(log, set()).add(waker)
        return waker

    def unwatch(self, log: str, waker: asyncio.Event) -> None:
        wakers = self._wakers.get(log, set())
        wakers.discard(waker)
        if not wakers:
            self._wakers.pop(log, None)

    def listen_stream(self, log: str, listener: StreamListener) -> Callable[[], None]:
        """Call `listener` for each live partial and progress of `log`; returns what stops it."""
        listeners = self._streams.setdefault(log, [])
        listeners.append(listener)

        def stop() -> None:
            listeners.remove(listener)
            if not listeners:
                self._streams.pop(log, None)

        return stop

    def streamed(self, log: str, batch: StreamBatch) -> None:
        if listeners := self._streams.get(log):
            items = batch.items()
            for listener in tuple(listeners):
                for item in items:
                    listener(item)

    def end(self) -> None:
        """The engine closes."""
        for subscription in tuple(self._subscribers):
            subscription.close()
        for wakers in self._wakers.values():
            for waker in wakers:
                waker.set()
