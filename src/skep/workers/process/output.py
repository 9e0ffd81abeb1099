"""What an attendant asks of who reads a program's output."""

from __future__ import annotations

from typing import Protocol

from msgspec import structs

from skep.errors import WorkerFailed
from skep.flow.process_limits import ProcessLimits
from skep.limits import Limits
from skep.workers.process.child import Child, Exit


def bounded(host: Limits, own: ProcessLimits) -> Limits:
    """The limits of one worker: its own where they are narrower than the host's."""
    if own.output_bytes is None:
        return host
    return structs.replace(host, process_output_bytes=min(own.output_bytes, host.process_output_bytes))


class Output(Protocol):
    """Reads one program's stdout; when it has ended, it is either a failure or what it said is delivered."""

    program: str
    """What it is called in messages."""

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
