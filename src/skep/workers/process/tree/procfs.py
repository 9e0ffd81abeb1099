"""Looking at processes through /proc, where a process may end between two looks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

PROC = "/proc"
CHUNK = 65_536
CHILDREN = "{pid}/task/{pid}/children"
MOST = 1024 * 1024
"""Bytes of an environment, or of a list of children, that are looked at."""


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
    data = _read(f"{pid}/stat", CHUNK)
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
    for entry in (_read(f"{pid}/environ", MOST) or b"").split(b"\0"):
        if entry.startswith(wanted):
            return os.fsdecode(entry[len(wanted) :])
    return None


def is_own(pid: int) -> bool:
    """Whether it runs as our user."""
    for line in (_read(f"{pid}/status", CHUNK) or b"").splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[1]) == os.getuid()
    return False


def children(pid: int) -> list[int] | None:
    """The children of a process's first thread, where orphans come to; `None` if the kernel does not tell."""
    data = _read(CHILDREN.format(pid=pid), MOST)
    return None if data is None else [int(word) for word in data.split()]


def started(pid: int, newest: Callable[[], int]) -> Iterator[int]:
    """A process that has just begun, then what it has started already, each before what that has started.

    What is set on each as it comes is inherited by whatever it starts from then on, so nobody is missed.

    `newest` tells the last process that was started here: if it is this one, it has started none.
    """
    yield pid
    waiting = [] if newest() == pid else [pid]
    for parent in waiting:
        for child in children(parent) or ():
            yield child
            waiting.append(child)


def ancestors(pid: int) -> set[int]:
    """The process, its parent, and so on up to the first."""
    found: set[int] = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        process = look(pid)
        pid = process.parent if process is not None else 0
    return found


def _read(name: str, most: int) -> bytes | None:
    """A file below /proc, `None` if it cannot be read. Bare calls: this is done for every attempt."""
    try:
        descriptor = os.open(f"{PROC}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = part = os.read(descriptor, CHUNK)
        while part and len(data) < most:
            part = os.read(descriptor, CHUNK)
            data += part
    except OSError:
        return None
    else:
        return data
    finally:
        os.close(descriptor)
