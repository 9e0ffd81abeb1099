"""The processes of one attempt, as a whole."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

from skep.errors import SpawnError
from skep.workers.process.tree import procfs
from skep.workers.process.tree.ending import send
from skep.workers.process.tree.marks import VARIABLE, new_mark
from skep.workers.process.tree.registry import Registry, known_registry, registry
from skep.workers.process.tree.removal import remove

log = logging.getLogger("skep.workers")

LOOK = 0.05
"""Seconds between two looks whether a tree that was asked to end has ended."""


class Tree:
    """Begun before the program starts, closed when nothing of it and of its scratch folder is left.

    Raises:
        SpawnError: it cannot be written down, or has no scratch folder: then nothing may start.
    """

    def __init__(self, owner: Registry) -> None:
        self.marker, self._mark = new_mark()
        self._registry = owner
        self._leader = 0
        self._closed = False
        owner.watch()
        try:
            self._records = owner.recorded()
            self.scratch = self._records.make_scratch()
            self._line = self._records.add(self._mark)
        except OSError as error:
            raise SpawnError(
                f"no place for the attempt: {error}", fix="look at the temporary folder"
            ) from error

    @classmethod
    async def begin(cls) -> Tree:
        """A new attempt's; the first one of a process first ends what dead hosts have left."""
        return cls(known_registry() or await asyncio.to_thread(registry))

    def variables(self) -> dict[str, str]:
        """What its program's environment says of it; HOME and TMPDIR for one that has no others."""
        own = {"SKEP_SCRATCH": self.scratch, VARIABLE: self.marker}
        return {"HOME": self.scratch, "TMPDIR": self.scratch, **own}

    def started(self, leader: int) -> None:
        """The program that has just been started, as leader of a session of its own."""
        self._leader = leader
        self._registry.enter(leader, self._mark)

    def begun(self) -> Iterator[int]:
        """The program that has just been started, and what it has started already: see `procfs.started`."""
        return procfs.started(self._leader, self._registry.own.newest)

    def signal(self, number: signal.Signals) -> None:
        """Signal everything: the program's group at once, what has left it as soon as it is found."""
        if not self._leader:
            return
        with suppress(ProcessLookupError):
            try:
                os.killpg(self._leader, number)
            except PermissionError:
                log.warning("process group %d may not be signalled: it runs as another user", self._leader)
        self._registry.workers.submit(self._signal_escaped, self._leader, number)

    async def wait(self, until: float) -> None:
        """Once the program has ended: until nothing else of it lives, or the loop's time has come."""
        loop = asyncio.get_running_loop()
        while loop.time() < until and self._registry.anything_left(self._leader, self._mark):  # noqa: ASYNC110 - no event tells of strangers' ends
            await asyncio.sleep(LOOK)

    def end_now(self) -> bool:
        """Once the program has ended and before it is reaped: kill its group; whether nothing else is left."""
        self._kill_group()
        return not self._registry.anything_left(self._leader, self._mark)

    async def end(self) -> None:
        """As `end_now`, and wait until whatever has left the group was found and killed."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._registry.workers, self._registry.kill, self._leader, self._mark)

    def reaped(self) -> None:
        """The program's number may from now on be another's."""
        self._registry.leave(self._leader)
        self._leader = 0

    async def close(self) -> None:
        """Remove its scratch folder and its record."""
        if not self._left_empty():
            await asyncio.get_running_loop().run_in_executor(self._registry.workers, self._remove)

    def abandon(self) -> None:
        """End it in a thread of its own, when no event loop is left to do it; nothing if it is closed."""
        if self._closed or (not self._leader and self._left_empty()):
            return
        self._kill_group()
        threading.Thread(target=self._abandoned, name="skep-abandoned", daemon=True).start()

    def _abandoned(self) -> None:
        leader = self._leader
        if leader:
            self._registry.kill(leader, self._mark)
            with suppress(ChildProcessError):
                os.waitpid(leader, 0)
            self.reaped()
        self._remove()

    def _kill_group(self) -> None:
        if self._leader:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._leader, signal.SIGKILL)

    def _signal_escaped(self, leader: int, number: signal.Signals) -> None:
        for process in self._registry.find(leader, self._mark):
            if process.group != leader:
                send(process, number)

    def _left_empty(self) -> bool:
        if not self._records.keep_empty(self.scratch):
            return False
        self._forget()
        return True

    def _remove(self) -> None:
        if not remove(self.scratch):
            log.warning("scratch folder %s could not be removed", self.scratch)
        self._forget()

    def _forget(self) -> None:
        if not self._closed:
            self._closed = True
            self._records.remove(self._line)
