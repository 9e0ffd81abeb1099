"""One running program: bytes in, bytes out, its exit and its end."""

from __future__ import annotations

import asyncio
import signal
from typing import Protocol

from msgspec import Struct

from skep.limits import Limits
from skep.workers.process.command import Started
from skep.workers.process.exit_watch import reap, watch_exit
from skep.workers.process.pipes import Feeder, Reader, Tail
from skep.workers.process.tree.tree import Tree


class Exit(Struct, frozen=True):
    """How a program ended. `code` is negative for a signal, `None` if somebody else here reaped it."""

    code: int | None
    stderr: bytes
    """Its tail."""
    stderr_total: int


class Takes(Protocol):
    """What takes a child's stdout as it comes."""

    def take(self, chunk: bytes) -> None: ...


class Child:
    """Moves stdin, stdout and stderr at the same time; when the program ends, its whole tree does.

    `ended` resolves when the program has exited, its output is complete (both pipes at their end, or
    `process_drain` later, because a grandchild may hold them open for ever) and its tree has ended.
    """

    def __init__(
        self,
        started: Started,
        stdin: bytes | None,
        limits: Limits,
        output: Takes,
        tree: Tree,
        *,
        keep_stdin: bool = False,
    ) -> None:
        self.pid = started.pid
        self.ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._tree = tree
        tree.started(started.pid)
        self._limits = limits
        self._grace_end = 0.0
        self._ending: asyncio.Task[None] | None = None
        self._errors = Tail(limits.process_stderr_tail)
        self._exited = False
        self._code: int | None = None
        self._gone = False
        self._drain_over = False
        self._timers: list[asyncio.TimerHandle] = []
        self._feeder = (
            Feeder(started.stdin, stdin or b"", more=keep_stdin) if started.stdin is not None else None
        )
        self._stop_watch = watch_exit(started.pid, self._on_exit)
        self._stdout = Reader(started.stdout, output.take, self._on_closed)
        self._readers = (self._stdout, Reader(started.stderr, self._errors.feed, self._on_closed))

    def write(self, data: bytes) -> None:
        """More for its stdin, which was kept open; nothing once that is closed."""
        if self._feeder is not None:
            self._feeder.feed(data)

    def close_stdin(self) -> None:
        """Tell it that nothing more comes."""
        if self._feeder is not None:
            self._feeder.close()

    def pause(self) -> None:
        """Read no more of its stdout, so that it has to wait."""
        self._stdout.pause()

    def resume(self) -> None:
        """Read its stdout again."""
        self._stdout.resume()
        if self._drain_over:
            self._drain()

    def terminate(self, grace: float) -> None:
        """SIGTERM to the tree, and SIGKILL `grace` seconds later unless all has ended."""
        if not self._gone:
            loop = asyncio.get_running_loop()
            self._tree.signal(signal.SIGTERM)
            self._grace_end = loop.time() + grace
            self._timers.append(loop.call_later(grace, self.kill))

    def kill(self) -> None:
        """SIGKILL to the tree."""
        if not self._gone:
            self._tree.signal(signal.SIGKILL)

    def destroy(self) -> None:
        """Let go at once, when nobody attends to it any more, and end what has not ended."""
        self._release()
        self._tree.abandon()

    # -- events --------------------------------------------------------------------------------

    def _on_exit(self, code: int | None) -> None:
        self._exited = True
        self._code = code
        if any(reader.open for reader in self._readers):
            self._drain()
        else:
            self._finish()

    def _drain(self) -> None:
        """Wait for the rest of its output, not for ever; while reading is paused that time stands still."""
        self._drain_over = False
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(self._limits.process_drain, self._drained))

    def _drained(self) -> None:
        self._drain_over = self._stdout.paused
        if not self._drain_over:
            for reader in self._readers:
                reader.finish()

    def _on_closed(self) -> None:
        if self._exited and not any(reader.open for reader in self._readers):
            self._finish()

    # -- the end -------------------------------------------------------------------------------

    def _finish(self) -> None:
        if self._ending is not None or self._gone:
            return
        if not self._grace_end and self._tree.end_now():
            self._complete()
        else:
            self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        """End what is left of the tree, which has what is left of the grace if it was told to end."""
        await self._tree.wait(self._grace_end)
        if not self._tree.end_now():
            await self._tree.end()
        self._complete()

    def _complete(self) -> None:
        if self._gone:
            return
        self._release()
        code = self._code if self._code is not None else reap(self.pid)
        self._tree.reaped()
        if not self.ended.done():
            self.ended.set_result(Exit(code, self._errors.data, self._errors.total))

    def _release(self) -> None:
        """Give back every descriptor and timer."""
        self._gone = True
        self._stop_watch()
        for timer in self._timers:
            timer.cancel()
        if self._feeder is not None:
            self._feeder.close()
        for reader in self._readers:
            reader.close()
