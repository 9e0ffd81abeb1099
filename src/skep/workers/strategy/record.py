"""The record of a strategy session that is an attempt of a run: calls in the run's log, answers in its Questions."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Self

import msgspec
from msgspec import Raw

from skep.clock import Clock
from skep.errors import AttemptEnded, JournalFailed
from skep.strategy.calls import Call, Record
from skep.strategy.outcomes import End
from skep.strategy.queries import Reply
from skep.strategy.records import Answered, Seeds
from skep.workers.base import Attempt, RecordedCall

log = logging.getLogger("skep.strategy")

BEGIN = "begin"
"""The first call of every session: its seeds and when it began."""


class _Begin(msgspec.Struct, frozen=True):
    at: int
    strings: int
    numbers: int


class AttemptRecord:
    """Implements `SessionRecord` on an attempt's channel."""

    def __init__(self, channel: Attempt, begin: _Begin, past: dict[str, list[Call]]) -> None:
        self.started_at = begin.at
        self.seeds = Seeds(begin.strings, begin.numbers)
        self.answers: dict[str, Answered] = {}
        self._channel = channel
        self._past = past
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Task[None]] = set()

    @classmethod
    async def load(cls, channel: Attempt, clock: Clock) -> Self:
        """What the interrupted attempts before this one have left; a new record when there is none."""
        past: defaultdict[str, list[Call]] = defaultdict(list)
        begin: _Begin | None = None
        for call in await channel.recorded_calls():
            if call.name == BEGIN:
                begin = msgspec.json.decode(call.reply or b"", type=_Begin)
            else:
                reply = None if call.reply is None else Raw(call.reply)
                past[call.branch].append(Call(call.name, call.digest, reply))
        if begin is None:
            begin = _Begin(clock.now_ms(), secrets.randbits(32), secrets.randbits(63))
            channel.record_call(RecordedCall("", BEGIN, "", msgspec.json.encode(begin)))
        return cls(channel, begin, past)

    def calls(self, branch: str) -> Record:
        return _Branch(self, branch, self._past.get(branch, ()))

    def answer(self, query_id: str, reply: Reply, at: int) -> None:
        """The Question keeps it; this is for the rest of the attempt."""
        self.answers[query_id] = Answered(reply, at)

    def end(self, end: End) -> None:
        """The attempt's result says it."""

    async def flushed(self) -> None:
        await self._channel.durable()

    def add(self, branch: str, call: Call) -> None:
        """From any thread; in order, and before what the script does next is seen on the loop."""
        reply = None if call.reply is None else bytes(call.reply)
        recorded = RecordedCall(branch, call.name, call.digest, reply)
        self._loop.call_soon_threadsafe(self._record, recorded)

    def once_durable(self, then: Callable[[], None]) -> None:
        """From any thread; `then` runs on the loop."""
        self._loop.call_soon_threadsafe(self._wait_durable, then)

    def _wait_durable(self, then: Callable[[], None]) -> None:
        waiting = self._loop.create_task(self._then(then))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def _then(self, then: Callable[[], None]) -> None:
        try:
            await self._channel.durable()
        except JournalFailed:
            log.debug("the store has stopped: what a call has left is found when the session comes back")
            return
        then()

    def _record(self, call: RecordedCall) -> None:
        try:
            self._channel.record_call(call)
        except AttemptEnded:
            log.debug("a script went on after its attempt had ended: %s", call.name)


class _Branch:
    """The calls of one script."""

    def __init__(self, record: AttemptRecord, branch: str, past: Sequence[Call]) -> None:
        self._record = record
        self._branch = branch
        self.past: Sequence[Call] = past

    def add(self, call: Call) -> None:
        self._record.add(self._branch, call)

    def once_durable(self, then: Callable[[], None]) -> None:
        self._record.once_durable(then)
