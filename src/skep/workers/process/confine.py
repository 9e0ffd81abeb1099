"""Holds processes to what they may use of the machine."""

from __future__ import annotations

import sys
from contextlib import suppress

from skep.errors import SpawnError
from skep.flow.process_limits import ProcessLimits


def confine(pid: int, limits: ProcessLimits) -> None:
    """Hold a process that was just started, and all that it starts, to its limits.

    Raises:
        SpawnError: this system cannot do that.
    """
    if not (limits.memory or limits.cpu_seconds or limits.open_files):
        return
    if sys.platform != "linux":
        raise SpawnError(
            "limits on memory, CPU time and files need Linux", fix="leave them out of spec.limits here"
        )
    from resource import RLIMIT_AS, RLIMIT_CPU, RLIMIT_NOFILE, prlimit  # noqa: PLC0415 - only Linux has it

    wanted = (
        (RLIMIT_AS, limits.memory, 0),
        (RLIMIT_CPU, limits.cpu_seconds, 1),
        (RLIMIT_NOFILE, limits.open_files, 0),
    )
    for which, most, slack in wanted:
        if most is None:
            continue
        with suppress(ProcessLookupError):  # it has ended already
            hard = prlimit(pid, which)[1]
            ceiling = most + slack if hard < 0 else min(most + slack, hard)
            prlimit(pid, which, (min(most, ceiling), ceiling))
