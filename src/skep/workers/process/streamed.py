"""A program that says its output events on stdout as they come."""

from __future__ import annotations

from skep.core.outputs import Final, OutputEvent, Progress, inline
from skep.errors import WorkerFailed
from skep.limits import Limits
from skep.workers.base import Ctx
from skep.workers.process.child import Child, Exit
from skep.workers.process.ending import failed_after, kept_stderr, no_exit_code, too_much
from skep.workers.process.feed import Feed
from skep.workers.process.streams import StreamDecoder

NO_FINAL = "streaming mode: no Final event received"


class StreamedOutput:
    """Hands events on in batches, as many as one read brings; see `StreamMode` for the protocols.

    The last `final` decides, together with the exit code: a program that fails after a good `final` has failed.
    Without a `final` the result is blocked and says so. Neighbouring partials become one. Records that are no
    events are counted, the first few shown as progress and kept in the artifact `bad_records`; too many, or a
    stream that cannot be read on, end the program and fail the attempt; so do more than `most` bytes.
    """

    def __init__(
        self, ctx: Ctx, program: str, decoder: StreamDecoder, limits: Limits, most: int | None = None
    ) -> None:
        self._ctx = ctx
        self.program = program
        self._decoder = decoder
        self._limits = limits
        self._most = most
        self._size = 0
        self._feed: Feed

    def attach(self, child: Child) -> None:
        self._feed = Feed(self._ctx, self.program, child, self._limits)

    def take(self, chunk: bytes) -> None:
        if self._feed.deaf:
            return
        self._size += len(chunk)
        if self._most is not None and self._size > self._most:
            self._feed.fail(too_much(self.program, self._most))
        else:
            self._give(self._decoder.feed(chunk), len(chunk))

    def failure(self, end: Exit) -> WorkerFailed | None:
        feed = self._feed
        feed.let_go()
        if not feed.deaf:
            self._give(self._decoder.end(), 0)
        feed.keep(self._decoder.bad)
        why = feed.why or no_exit_code(end, self.program)
        if why is None and end.code != 0 and self._ctx.channel.final_ok():
            why = failed_after(end, self.program)
        return why

    async def deliver(self, end: Exit) -> None:
        notes: list[OutputEvent] = [] if end.code == 0 else [Progress("exit", f"exit code {end.code}")]
        ok = self._ctx.channel.final_ok()
        if not ok:
            notes += kept_stderr(end, self._limits)
        if notes:
            self._ctx.channel.emit_many(notes)
        if ok is None:
            value = {"raw": "", "note": NO_FINAL, "exit_success": end.code == 0}
            self._ctx.channel.deliver(Final(inline(value, self._limits), ok=False))

    def _give(self, events: list[OutputEvent], size: int) -> None:
        feed, decoder = self._feed, self._decoder
        feed.give(events, size)
        feed.show(decoder.bad)
        if decoder.broken is not None:
            feed.keep(decoder.bad)
            feed.fail(WorkerFailed(f"output of {self.program}: {decoder.broken}"))
