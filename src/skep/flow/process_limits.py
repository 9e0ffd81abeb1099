"""What one worker's program may use of the machine, as a Blueprint says it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Positive = Annotated[int, Meta(gt=0, le=2**62)]


class ProcessLimits(Struct, frozen=True, kw_only=True):
    """Limits of one worker. The first three hold for each of its processes (Linux)."""

    memory: Annotated[
        Positive | None, Meta(description="Bytes of address space: beyond it an allocation fails.")
    ] = None
    cpu_seconds: Annotated[
        Positive | None, Meta(description="Beyond it SIGXCPU, and a second later SIGKILL.")
    ] = None
    open_files: Annotated[Positive | None, Meta(description="Open descriptors.")] = None
    output_bytes: Annotated[
        Positive | None, Meta(description="Bytes of stdout in one attempt: beyond it the program is ended.")
    ] = None


NO_LIMITS = ProcessLimits()
