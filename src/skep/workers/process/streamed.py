"""A program that says its output events on stdout as they come."""

from __future__ import annotations

import asyncio

from skep.core.outputs import MAX_PARTIAL, Artifact, Final, OutputEvent, Partial, Progress, inline
from skep.errors import SkepError, WorkerFailed
from skep.limits import Limits
from skep.workers.base import Ctx
from skep.workers.completion import failed
from skep.workers.process.child import Child, Exit
from skep.workers.process.ending import kept_stderr, last_words, no_exit_code
from skep.workers.process.streams import StreamDecoder

NO_FINAL = "streaming mode: no Final event received"


class StreamedOutput:
    """Hands events on in batches, as many as one read brings; see `StreamMode` for the protocols.

    The last `final` decides, together with the exit code: a program that fails after a good `final` has failed.
    Without a `final` the result is blocked and says so. Records that are no events are counted, the first
    few shown as progress and kept in the artifact `bad_records`; too many, or a stream that cannot be read on,
    end the program and fail the attempt.

    When much was read, reading stops until the store has taken it, so that the program waits rather than its
    output being lost.
    """

    def __init__(self, ctx: Ctx, program: str, decoder: StreamDecoder, limits: Limits) -> None:
        self._ctx = ctx
        self._program = program
        self._decoder = decoder
        self._limits = limits
        self._child: Child | None = None
        self._ok: bool | None = None
        self._why: WorkerFailed | None = None
        self._shown = 0
        self._bytes = 0
        self._events = 0
        self._holding: asyncio.Task[None] | None = None
        ctx.cancel_token.on_cancel(lambda _: self._let_go())

    def attach(self, child: Child) -> None:
        self._child = child

    def take(self, chunk: bytes) -> None:
        if self._deaf:
            return
        self._emit(self._decoder.feed(chunk))
        self._bytes += len(chunk)
        full = self._bytes > self._limits.process_window or self._events > self._limits.stream_backlog // 4
        if full and self._holding is None and self._why is None:
            self._holding = asyncio.get_running_loop().create_task(self._hold())

    def failure(self, end: Exit) -> WorkerFailed | None:
        self._let_go()
        if not self._deaf:
            self._emit(self._decoder.end())
        if not self._deaf:
            self._keep_bad_records()
        why = self._why or no_exit_code(end, self._program)
        if why is None and self._ok and end.code != 0:
            why = WorkerFailed(
                f"{self._program} ended with exit code {end.code} after its final{last_words(end)}",
                fix="a program that has done its work exits with 0",
            )
        return why

    async def deliver(self, end: Exit) -> None:
        notes: list[OutputEvent] = [] if end.code == 0 else [Progress("exit", f"exit code {end.code}")]
        if not self._ok:
            notes += kept_stderr(end, self._limits)
        if notes:
            self._ctx.channel.emit_many(notes)
        if self._ok is None:
            value = {"raw": "", "note": NO_FINAL, "exit_success": end.code == 0}
            self._ctx.channel.deliver(Final(inline(value, self._limits), ok=False))

    @property
    def _deaf(self) -> bool:
        """Whether what the program says changes nothing any more."""
        return self._why is not None or self._ctx.cancel_token.reason is not None

    # -- while it runs -------------------------------------------------------------------------

    def _emit(self, events: list[OutputEvent]) -> None:
        bad = self._decoder.bad
        batch = joined(events)
        batch += [Progress("bad record", sample) for sample in bad.samples[self._shown :]]
        self._shown = len(bad.samples)
        self._events += len(batch)
        if batch:
            try:
                self._ctx.channel.emit_many(batch)
            except SkepError as error:
                self._stop(failed(error, f"output of {self._program}: "))
                return
            for event in batch:
                if type(event) is Final:
                    self._ok = event.ok
        if self._decoder.broken is not None:
            self._keep_bad_records()
            self._stop(WorkerFailed(f"output of {self._program}: {self._decoder.broken}"))

    def _stop(self, why: WorkerFailed) -> None:
        """Nothing more is read from it: it may end."""
        self._why = why
        if self._child is not None:
            self._child.terminate(self._ctx.grace)

    async def _hold(self) -> None:
        """Let the program wait until the store has taken what it said."""
        assert self._child is not None  # noqa: S101 - `take` was called
        self._child.pause()
        try:
            await self._ctx.channel.drained()
        except SkepError as error:
            self._stop(failed(error, f"output of {self._program}: "))
        finally:
            self._bytes = self._events = 0
            self._holding = None
            self._child.resume()

    def _let_go(self) -> None:
        if self._holding is not None:
            self._holding.cancel()

    def _keep_bad_records(self) -> None:
        bad = self._decoder.bad
        if not bad.count:
            return
        try:
            content = inline({"count": bad.count, "first": bad.samples}, self._limits)
            self._ctx.channel.emit(Artifact("bad_records", content))
        except SkepError as error:
            self._stop(failed(error, f"output of {self._program}: "))


def joined(events: list[OutputEvent]) -> list[OutputEvent]:
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
