"""What an attendant asks of who reads a program's output."""

from __future__ import annotations

from typing import Protocol

from skep.errors import WorkerFailed
from skep.workers.process.child import Child, Exit


class Output(Protocol):
    """Reads one program's stdout; when it has ended, it is either a failure or what it said is delivered."""

    def take(self, chunk: bytes) -> None:
        """A piece of stdout."""
        ...

    def attach(self, child: Child) -> None:
        """Whose output it is; before the first piece."""
        ...

    def failure(self, end: Exit) -> WorkerFailed | None:
        """Why the attempt failed, if the program ended as it must not."""
        ...

    async def deliver(self, end: Exit) -> None:
        """Give the attempt what it has not got yet; raises what the channel and `values` raise."""
        ...
