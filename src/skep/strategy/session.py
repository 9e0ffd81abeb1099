"""One execution of a strategy, as its holder sees it (DESIGN section 10)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from skep.clock import Clock
from skep.errors import SkepError, UnknownQuery
from skep.strategy.answerers.base import Answerer, reply_of
from skep.strategy.branches import Branches
from skep.strategy.budget import Budget
from skep.strategy.metrics import Metrics
from skep.strategy.outcomes import Cancelled, Completed, End, Failed, NeedsResponse, Outcome
from skep.strategy.queries import Query, Reply
from skep.strategy.records import SessionRecord
from skep.strategy.steps import Ended, Last, Stepper

Phase = Literal["running", "paused", "completed", "failed", "cancelled"]


Closing = Callable[["StrategySession", End], Awaitable[None]]
"""Awaited when a session has ended, before anybody is told."""


class StrategySession:
    """Runs a script, shows its questions, takes the answers. Made by `StrategyHost.start`.

    >>> from skep.strategy import NeedsResponse, StrategyHost
    >>> async def main():
    ...     async with StrategyHost() as host:
    ...         session = await host.start("return alc.llm('2 + 2?')")
    ...         while isinstance(outcome := await session.next(), NeedsResponse):
    ...             await session.respond({query.id: "4" for query in outcome.queries})
    ...         return outcome.result
    >>> asyncio.run(main())
    '4'
    """

    def __init__(
        self,
        session_id: str,
        script: Callable[[StrategySession], Stepper],
        record: SessionRecord,
        clock: Clock,
        *,
        strategy: str | None = None,
        budget: Budget | None = None,
        closing: Closing | None = None,
    ) -> None:
        self.id = session_id
        self.strategy = strategy
        """The package that runs, if it was started by name."""
        self.budget = budget
        self.metrics = Metrics(started_at=record.started_at)
        self.last_activity = record.started_at
        """Milliseconds since the epoch, of the start or the last accepted answer."""
        self.transcript_warning: str | None = None
        """Why there is no transcript, if there should be one."""
        self._script = script
        self._closing = closing
        self._record = record
        self._clock = clock
        self._end: End | None = None
        self._turn: asyncio.Future[None] | None = None
        self._branches: Branches | None = None
        self._driving: asyncio.Task[None] | None = None

    # -- what it is at -------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        if isinstance(self._end, Completed):
            return "completed"
        if isinstance(self._end, Failed):
            return "failed"
        if isinstance(self._end, Cancelled):
            return "cancelled"
        return "paused" if self._branches is None or self._branches.waiting else "running"

    @property
    def end(self) -> End | None:
        """How it ended, once it has."""
        return self._end

    @property
    def resident(self) -> bool:
        """Whether its VM is in memory."""
        return self._driving is not None

    async def next(self) -> Outcome:
        """Wait until it needs answers or has ended; asked again meanwhile, it says the same again.

        Raises:
            JournalFailed: the store has stopped.
        """
        while self._end is None:
            branches = self._woken()
            if branches.waiting:
                await self._record.flushed()
                return NeedsResponse(branches.unanswered)
            await self._turned()
        await self._record.flushed()
        return self._end

    # -- what it is told -----------------------------------------------------------------------

    async def respond(self, replies: Mapping[str, str | Reply]) -> int:
        """Answer queries; returns how many are still open. All of them are taken or none.

        Raises:
            UnknownQuery: an id that is not open; the published `q-N` means the N-th of the pause.
            JournalFailed: the store has stopped.
        """
        branches = self._woken() if self._end is None else None
        if branches is None:
            raise UnknownQuery("no pending queries", where=self.id, fix="this session has ended")
        while not branches.waiting and not branches.pending and self._end is None:
            await self._turned()
        meant = [(self._resolve(branches, given), reply_of(reply)) for given, reply in replies.items()]
        if len({query_id for query_id, _ in meant}) < len(meant):
            raise UnknownQuery("two answers for one query", where=self.id, fix="give each query one answer")
        now = self._clock.now_ms()
        for query_id, reply in meant:
            self._record.answer(query_id, reply, now)
        self.last_activity = now
        for query_id, reply in meant:
            self._put(branches, query_id, reply)
        await self._record.flushed()
        return len(branches.unanswered)

    async def cancel(self, reason: str = "cancelled") -> None:
        """End it, also in the middle of a busy loop; harmless when it has ended."""
        if self._end is None:
            await self._finish(Cancelled(reason, self.stats()))
        await self._dropped()
        await self._record.flushed()

    async def run(self, answer: Answerer) -> End:
        """Drive it to its end; every query is asked as soon as it is there, several side by side.

        Raises:
            JournalFailed: the store has stopped. And what `answer` raises: the session is then cancelled.
        """
        asking: dict[asyncio.Task[Reply], str] = {}

        async def ask(query: Query) -> Reply:
            return reply_of(await answer(query))

        try:
            while isinstance(outcome := await self.next(), NeedsResponse):
                known = set(asking.values())
                for query in outcome.queries:
                    if query.id not in known:
                        asking[asyncio.create_task(ask(query))] = query.id
                done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                await self.respond({asking.pop(task): task.result() for task in done})
        except BaseException:
            await self.cancel("whoever answers has failed")
            raise
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return outcome

    def unwind(self) -> None:
        """Be evicted soon, if nothing but answers is waited for."""
        if self._branches is not None and self._branches.waiting:
            evicting = asyncio.get_running_loop().create_task(self.evict())
            _background.add(evicting)
            evicting.add_done_callback(_background.discard)

    async def evict(self) -> None:
        """Drop the VM; the next answer or look runs the script again from its record."""
        if self._end is None:
            await self._dropped()

    def stats(self) -> dict[str, object]:
        """The published figures, as of now."""
        return self.metrics.stats(self._clock.now_ms(), self.budget)

    # -- inside --------------------------------------------------------------------------------

    def _woken(self) -> Branches:
        if self._branches is None:
            self.metrics = Metrics(started_at=self._record.started_at)
            self._branches = Branches(self._known, self.metrics.resumed, self._wake)
            self._driving = asyncio.get_running_loop().create_task(self._drive(self._branches))
        return self._branches

    async def _drive(self, branches: Branches) -> None:
        try:
            last = await branches.drive(self._script(self))
            await self._finish(self._ended(last))
        except SkepError as error:
            await self._finish(Failed(str(error), self.stats(), error.code))
        finally:
            self._wake()

    def _ended(self, last: Last) -> End:
        if isinstance(last, Ended):
            return Completed(last.value, self.stats())
        return Failed(last.error, self.stats(), last.code)

    async def _finish(self, end: End) -> None:
        if self._end is not None:
            return
        self._end = end
        self._record.end(end)
        if self._closing is not None:
            await self._closing(self, end)

    async def _dropped(self) -> None:
        driving, self._driving, self._branches = self._driving, None, None
        if driving is not None:
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)

    def _known(self, query_id: str) -> Reply | None:
        answered = self._record.answers.get(query_id)
        if answered is not None:
            self.metrics.answered(query_id, answered.reply, answered.at)
        return answered.reply if answered is not None else None

    def _resolve(self, branches: Branches, given: str | None) -> str:
        held = branches.pending
        if len(held) == 1:
            return held[0].resolve(given)
        for pending in held:
            if given is not None and any(query.id == given for query in pending.queries):
                return pending.resolve(given)
        raise UnknownQuery(
            f"unknown query_id: {str(given)[:100]}", where=self.id, fix="give an id that `next` gave"
        )

    def _put(self, branches: Branches, query_id: str, reply: Reply) -> None:
        for pending in branches.pending:
            if any(query.id == query_id for query in pending.queries):
                self.metrics.answered(query_id, reply, self.last_activity)
                branches.put(pending, query_id, reply)
                return

    async def _turned(self) -> None:
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._turn)

    def _wake(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.set_result(None)


_background: set[asyncio.Task[None]] = set()
"""The event loop refers only weakly to its tasks."""
