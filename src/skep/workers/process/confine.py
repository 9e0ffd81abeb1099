"""Holds processes to what they may use of the machine."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress

from skep.errors import SpawnError
from skep.flow.process_limits import ProcessLimits


def confine(pids: Iterable[int], limits: ProcessLimits) -> None:
    """Hold processes that were just started, and all that they start, to their limits.

    Raises:
        SpawnError: this system cannot do that, or one of them has become another user's.
    """
    if not (limits.memory or limits.cpu_seconds or limits.open_files):
        return
    if sys.platform != "linux":
        raise SpawnError(
            "limits on memory, CPU time and files need Linux", fix="leave them out of spec.limits here"
        )
    try:
        for pid in pids:
            with suppress(ProcessLookupError):  # it has ended already
                _hold(pid, limits)
    except PermissionError as error:
        raise SpawnError(
            "the program runs as another user, who cannot be limited",
            fix="leave memory, CPU time and files out of limits",
        ) from error


def _hold(pid: int, limits: ProcessLimits) -> None:
    from resource import RLIMIT_AS, RLIMIT_CPU, RLIMIT_NOFILE, prlimit  # noqa: PLC0415 - only Linux has it

    wanted = (
        (RLIMIT_AS, limits.memory, 0),
        (RLIMIT_CPU, limits.cpu_seconds, 1),
        (RLIMIT_NOFILE, limits.open_files, 0),
    )
    for which, most, slack in wanted:
        if most is None:
            continue
        hard = prlimit(pid, which)[1]
        ceiling = most + slack if hard < 0 else min(most + slack, hard)
        prlimit(pid, which, (min(most, ceiling), ceiling))
