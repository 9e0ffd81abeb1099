"""What one worker's processes may use of the machine."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

from msgspec import Meta, Struct

from skep.errors import SpawnError

Positive = Annotated[int, Meta(gt=0, le=2**62)]


class Resources(Struct, frozen=True, kw_only=True):
    """Limits that the system holds every single process of a worker to (Linux)."""

    memory: Positive | None = None
    """Bytes of address space: beyond it an allocation fails."""
    cpu_seconds: Positive | None = None
    """Beyond it SIGXCPU, and a second later SIGKILL."""
    open_files: Positive | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return any((self.memory, self.cpu_seconds, self.open_files))


NO_LIMITS = Resources()


def confine(pid: int, resources: Resources) -> None:
    """Hold a process that was just started, and all that it starts, to its limits.

    Raises:
        SpawnError: this system cannot do that.
    """
    if not resources.any:
        return
    if sys.platform != "linux":
        raise SpawnError("resource limits need Linux", fix="leave spec.resources out on this machine")
    from resource import RLIMIT_AS, RLIMIT_CPU, RLIMIT_NOFILE, prlimit  # noqa: PLC0415 - only Linux has it

    wanted = (
        (RLIMIT_AS, resources.memory, 0),
        (RLIMIT_CPU, resources.cpu_seconds, 1),
        (RLIMIT_NOFILE, resources.open_files, 0),
    )
    for which, most, slack in wanted:
        if most is None:
            continue
        with suppress(ProcessLookupError):  # it has ended already
            hard = prlimit(pid, which)[1]
            ceiling = most + slack if hard < 0 else min(most + slack, hard)
            prlimit(pid, which, (min(most, ceiling), ceiling))
