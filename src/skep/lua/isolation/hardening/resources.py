"""Hard limits on what a script's process may use of the machine."""

from __future__ import annotations

import resource
import sys


def limit(memory: int, cpu_seconds: int) -> None:
    """Bound this process for good: so much memory beyond what it has, so much CPU, no processes, no core dump."""
    for which in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        _set(which, 0)
    _set(resource.RLIMIT_CPU, cpu_seconds)
    used = _address_space()
    if used:
        _set(resource.RLIMIT_AS, used + memory)


def no_more_descriptors() -> None:
    """Those that are open stay so; no other can be opened."""
    _set(resource.RLIMIT_NOFILE, 0)


def _set(which: int, most: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(which, (most, most))


def _address_space() -> int:
    """Bytes of it in use; 0 where that cannot be told, and a limit would be a guess."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib is not loaded in the child
        return int(file.read().split()[0]) * resource.getpagesize()
