"""Decoded events on their way to one attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from skep.core.outputs import MAX_PARTIAL, Artifact, Final, OutputEvent, Partial, Progress, inline
from skep.errors import SkepError, WorkerFailed
from skep.limits import Limits
from skep.workers.base import Ctx
from skep.workers.completion import failed
from skep.workers.process.child import Child
from skep.workers.process.streams import BadRecords


class Feed:
    """Hands events on in batches. When much was given, the program waits until the store has taken it.

    The store is asked to take it when half of that has come: a program that is no faster never waits.

    `ok` is that of the last final, `why` what ended the program early: then nothing is handed on any more.
    """

    def __init__(self, ctx: Ctx, program: str, child: Child, limits: Limits) -> None:
        self.ok: bool | None = None
        self.why: WorkerFailed | None = None
        self._ctx = ctx
        self._program = program
        self._child = child
        self._limits = limits
        self._shown = 0
        self._bytes = 0
        self._events = 0
        self._holding = False
        self._draining: asyncio.Task[None] | None = None
        ctx.cancel_token.on_cancel(lambda _: self.let_go())

    @property
    def deaf(self) -> bool:
        """Whether what the program says changes nothing any more."""
        return self.why is not None or self._ctx.cancel_token.reason is not None

    def give(self, events: Sequence[OutputEvent], size: int = 0) -> None:
        """Hand events on that were read with `size` bytes."""
        if self.deaf:
            return
        batch = joined(events)
        self._bytes += size
        self._events += len(batch)
        if batch:
            self._emit(batch)
        if self.deaf:
            return
        if self._draining is None and self._ahead(2):
            self._draining = asyncio.get_running_loop().create_task(self._drain())
        if not self._holding and self._ahead(1):
            self._holding = True
            self._child.pause()

    def show(self, bad: BadRecords) -> None:
        """Show the first records that are no events, as they come."""
        if len(bad.samples) > self._shown:
            news = [Progress("bad record", sample) for sample in bad.samples[self._shown :]]
            self._shown = len(bad.samples)
            self.give(news)

    def keep(self, bad: BadRecords) -> None:
        """Keep how many records were no events, and the first of them."""
        if bad.count and not self.deaf:
            content = inline({"count": bad.count, "first": bad.samples}, self._limits)
            self._emit([Artifact("bad_records", content)])

    def fail(self, why: WorkerFailed) -> None:
        """Nothing more is read from the program: it may end."""
        self.why = why
        self._child.terminate(self._ctx.grace)

    def let_go(self) -> None:
        """Do not hold the program back any more."""
        if self._draining is not None:
            self._draining.cancel()
        self._resume()

    def _emit(self, batch: list[OutputEvent]) -> None:
        try:
            self._ctx.channel.emit_many(batch)
        except SkepError as error:
            self.fail(failed(error, f"output of {self._program}: "))
            return
        for event in batch:
            if type(event) is Final:
                self.ok = event.ok

    def _ahead(self, part: int) -> bool:
        """Whether more was given than this part of what the store may be behind."""
        limits = self._limits
        return (
            self._bytes > limits.process_window // part or self._events > limits.stream_backlog // 2 // part
        )

    async def _drain(self) -> None:
        size, events = self._bytes, self._events
        try:
            await self._ctx.channel.drained()
        except SkepError as error:
            self.fail(failed(error, f"output of {self._program}: "))
        finally:
            self._bytes -= size
            self._events -= events
            self._draining = None
            self._resume()

    def _resume(self) -> None:
        if self._holding:
            self._holding = False
            self._child.resume()


def joined(events: Sequence[OutputEvent]) -> list[OutputEvent]:
    """The events with neighbouring partials as one: text that came at once is shown at once.

    >>> joined([Partial("a"), Partial("b"), Progress("c"), Partial("d")])
    [Partial(chunk='ab'), Progress(stage='c', note=None), Partial(chunk='d')]
    """
    batch: list[OutputEvent] = []
    texts: list[str] = []
    size = 0
    for event in events:
        if type(event) is Partial:
            size += len(event.chunk)
            if size > MAX_PARTIAL and texts:
                batch.append(Partial("".join(texts)))
                texts, size = [], len(event.chunk)
            texts.append(event.chunk)
        else:
            if texts:
                batch.append(Partial("".join(texts)))
                texts, size = [], 0
            batch.append(event)
    if texts:
        batch.append(Partial("".join(texts)))
    return batch
