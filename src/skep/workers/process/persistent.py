"""`PersistentProcess`: one program that serves many attempts, one after the other."""

from __future__ import annotations

import asyncio
import logging
from typing import Self

import msgspec
from msgspec import Struct

from skep.core.outputs import Final, OutputEvent
from skep.errors import BadValue, WorkerCancelled, WorkerFailed
from skep.flow.process_limits import ProcessLimits
from skep.ids import WORKER, new_id
from skep.limits import Limits
from skep.workers.base import CancelToken, Completion, Ctx, JoinHandler
from skep.workers.process.child import Child, Exit
from skep.workers.process.command import Command, encoded
from skep.workers.process.ending import last_words, no_exit_code, too_much
from skep.workers.process.feed import Feed
from skep.workers.process.launch import begin
from skep.workers.process.streams.ndjson import LineDecoder
from skep.workers.process.streams.records import BadRecords, check_contents, decode_event, event_decoder
from skep.workers.process.tree.tree import Tree

log = logging.getLogger("skep.workers")

EOF_SECONDS = 1.0
"""A program that is no longer needed is told so by the end of its stdin; then it has this long until SIGTERM."""

Reply = tuple[str, OutputEvent]
"""Whom an event is for, and the event."""


class _Request(Struct, frozen=True, omit_defaults=True):
    id: str
    task_id: str
    attempt: int
    agent: str
    prompt: str
    handle: str | None = None


class _Id(Struct, frozen=True, gc=False):
    id: str


class _Call(Struct, eq=False):
    """The invocation that is going on."""

    id: str
    feed: Feed
    done: asyncio.Future[WorkerFailed | None]
    size: int = 0


_ids = msgspec.json.Decoder(_Id)


class PersistentProcess(JoinHandler):
    """Implements `Reusable` over NDJSON on stdio.

    An invocation is a line `{"id", "task_id", "attempt", "agent", "prompt"}`; the program answers with output
    events that carry the same `id`, the first `final` being the last of them. What it says with another id
    belongs to no live attempt: it is counted and dropped, up to `process_bad_records` events between two requests.

    A program that ends, is cancelled, says too much to nobody or breaks the protocol fails the attempt that is
    going on, and is not used again.
    """

    def __init__(self, program: str, limits: Limits, timeout: float | None) -> None:
        super().__init__(new_id(WORKER), CancelToken(), Completion())
        self._strays = 0
        self._program = program
        self._limits = limits
        self._timeout = timeout
        self._decoder = LineDecoder[Reply](limits, self._reply, self._replies)
        self._child: Child
        self._call: _Call | None = None
        self._spoilt = False
        self._pull = False
        self._most: int | None = None
        self._tree: Tree
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        command: Command,
        own_limits: ProcessLimits,
        limits: Limits,
        timeout: float | None,  # noqa: ASYNC109 - that of each invocation
        *,
        pull: bool = False,
    ) -> Self:
        """Start the program; `timeout` is for each invocation, in seconds. `pull`: requests carry the handle.

        Raises:
            SpawnError: it cannot be started.
        """
        self = cls(command.argv[0], limits, timeout)
        self._pull = pull
        self._most = own_limits.output_bytes
        self._child, self._tree = await begin(lambda _: command, self, limits, own_limits, keep_stdin=True)
        self._child.ended.add_done_callback(self._ended)
        self.cancel_token.on_cancel(lambda _: self._dismiss())
        return self

    @property
    def usable(self) -> bool:
        """Whether it can be invoked again."""
        return not self._spoilt and self.cancel_token.reason is None

    async def invoke(self, ctx: Ctx) -> None:
        """See `Reusable`."""
        if not self.usable or self._call is not None:
            raise WorkerFailed(f"{self._program} cannot be invoked: it has ended or is at work")
        encoded(ctx.prompt)
        call = self._begin(ctx)
        timer = None
        if self._timeout is not None:
            timer = asyncio.get_running_loop().call_later(self._timeout, self._time_out, call)
        ctx.cancel_token.on_cancel(lambda _: self._give_up(call, ctx.grace))
        try:
            why = await call.done
        except asyncio.CancelledError:
            self._give_up(call, ctx.grace)
            raise
        finally:
            self._call = None
            call.feed.let_go()
            if timer is not None:
                timer.cancel()
        if ctx.cancel_token.reason is not None:
            raise WorkerCancelled(ctx.cancel_token.reason)
        if why is not None:
            raise why

    def take(self, chunk: bytes) -> None:
        """A piece of its stdout."""
        if self._spoilt:
            return
        self._measure(len(chunk))
        batch: list[OutputEvent] = []
        for name, event in self._decoder.feed(chunk):
            call = self._call
            if call is None or call.done.done() or call.id != name:
                self._stray(name)
                continue
            batch.append(event)
            if type(event) is Final:
                call.feed.give(batch, len(chunk))
                call.feed.keep(self._decoder.bad)
                self._conclude(call, call.feed.why)
                batch = []
        self._after(batch, len(chunk))

    # -- inside --------------------------------------------------------------------------------

    def _begin(self, ctx: Ctx) -> _Call:
        feed = Feed(ctx, self._program, self._child, self._limits)
        done: asyncio.Future[WorkerFailed | None] = asyncio.get_running_loop().create_future()
        self._strays = 0
        call = self._call = _Call(f"{ctx.task_id}/{ctx.attempt}", feed, done)
        self._decoder.bad = BadRecords("line", self._limits)
        ctx.channel.admit_folder(self._tree.scratch)
        handle = ctx.channel.handle() if self._pull else None
        request = _Request(call.id, ctx.task_id, ctx.attempt, ctx.agent, ctx.prompt, handle)
        self._child.write(msgspec.json.encode(request) + b"\n")
        return call

    def _measure(self, size: int) -> None:
        """Hold the invocation that goes on to its share of stdout."""
        call = self._call
        if self._most is None or call is None or call.feed.why is not None:
            return
        call.size += size
        if call.size > self._most:
            self._spoilt = True
            call.feed.fail(too_much(self._program, self._most))

    def _after(self, batch: list[OutputEvent], size: int) -> None:
        """What a chunk left over for the invocation that goes on."""
        call, decoder = self._call, self._decoder
        if call is not None and not call.done.done():
            call.feed.give(batch, size)
            call.feed.show(decoder.bad)
            self._spoilt = self._spoilt or call.feed.why is not None
        if decoder.broken is not None:
            self._break_off(decoder.broken)
        elif self._strays > self._limits.process_bad_records:
            self._break_off(
                f"more than process_bad_records ({self._limits.process_bad_records:,}) events for nobody"
            )

    def _break_off(self, why: str) -> None:
        """What it says cannot be used any more."""
        if self._spoilt:
            return
        self._spoilt = True
        call = self._call
        if call is not None and not call.done.done():
            call.feed.keep(self._decoder.bad)
            call.feed.fail(WorkerFailed(f"output of {self._program}: {why}"))
        else:
            log.warning("%s is ended: %s", self._program, why)
            self._child.terminate(self._limits.kill_grace)

    def _conclude(self, call: _Call, why: WorkerFailed | None) -> None:
        self._spoilt = self._spoilt or why is not None
        if not call.done.done():
            call.done.set_result(why)

    def _give_up(self, call: _Call, grace: float) -> None:
        """Its invocation is cancelled: there is no other way to stop it than to end the program."""
        if not call.done.done() or call.done.cancelled():
            self._spoilt = True
            self._child.terminate(grace)

    def _time_out(self, call: _Call) -> None:
        if not call.done.done():
            self._spoilt = True
            call.feed.fail(WorkerFailed(f"{self._program} did not answer within {self._timeout:g} s"))

    def _stray(self, name: str) -> None:
        if not self._strays:
            log.warning("%s says something for %.100r, which is not at work", self._program, name)
        self._strays += 1

    def _dismiss(self) -> None:
        """The lease has ended."""
        self._child.close_stdin()
        asyncio.get_running_loop().call_later(EOF_SECONDS, self._child.terminate, self._limits.kill_grace)

    def _ended(self, ended: asyncio.Future[Exit]) -> None:
        self._spoilt = True
        if self._call is not None:
            self._conclude(self._call, self._call.feed.why or self._crash(ended.result()))
        self._closing = asyncio.get_running_loop().create_task(self._close())

    async def _close(self) -> None:
        await self._tree.close()
        self.completion.resolve()

    def _crash(self, end: Exit) -> WorkerFailed:
        why = no_exit_code(end, self._program)
        text = f"{self._program} ended with exit code {end.code} before its final{last_words(end)}"
        return why or WorkerFailed(text)

    def _reply(self, line: bytes) -> Reply:
        event = decode_event(line, self._limits)
        try:
            return _ids.decode(line).id, event
        except msgspec.MsgspecError as error:
            raise BadValue(f"no id: {error}") from error

    def _replies(self, block: bytes) -> list[Reply]:
        events = check_contents(event_decoder.decode_lines(block), self._limits)
        return [(of.id, event) for of, event in zip(_ids.decode_lines(block), events, strict=True)]
