"""Looking at processes through /proc, where a process may end between two looks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

PROC = "/proc"
_ENVIRON = 1024 * 1024
"""Bytes of an environment that are looked at."""


class Proc(NamedTuple):
    """One process as it was. With `start` (clock ticks since boot) the pid means this one and no later one."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start: int

    @property
    def ended(self) -> bool:
        """Whether it only waits to be reaped."""
        return self.state in "ZX"


def pids() -> list[int]:
    """Every process that can be seen; none without /proc."""
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except FileNotFoundError:
        return []


def look(pid: int) -> Proc | None:
    """The process as it is now, `None` if there is none."""
    data = _read(pid, "stat", 4096)
    if not data:
        return None
    # The command's name, in parentheses, may hold anything: the fields follow its last one.
    fields = data[data.rfind(b")") + 2 :].split()
    return Proc(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def look_at_all() -> Iterator[Proc]:
    """Every process that can be seen."""
    for pid in pids():
        found = look(pid)
        if found is not None:
            yield found


def variable(pid: int, name: str) -> str | None:
    """A variable of the environment that the process was started with, if we may see it."""
    wanted = name.encode() + b"="
    for entry in _read(pid, "environ", _ENVIRON).split(b"\0"):
        if entry.startswith(wanted):
            return os.fsdecode(entry[len(wanted) :])
    return None


def is_own(pid: int) -> bool:
    """Whether it runs as our user."""
    for line in _read(pid, "status", 4096).splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[1]) == os.getuid()
    return False


def children(pid: int) -> list[int] | None:
    """The children of a process's first thread, where orphans come to; `None` if the kernel does not tell."""
    try:
        with open(f"{PROC}/{pid}/task/{pid}/children", "rb", buffering=0) as file:
            return [int(word) for word in file.readall().split()]
    except OSError:
        return None


def ancestors(pid: int) -> set[int]:
    """The process, its parent, and so on up to the first."""
    found: set[int] = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        process = look(pid)
        pid = process.parent if process is not None else 0
    return found


def _read(pid: int, name: str, most: int) -> bytes:
    data = b""
    with suppress(OSError), open(f"{PROC}/{pid}/{name}", "rb", buffering=0) as file:
        while len(data) < most and (part := file.read(65536)):
            data += part
    return data
