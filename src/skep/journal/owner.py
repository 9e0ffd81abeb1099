"""Who holds a lease, and whether that process still lives.

A pid alone is reused; with the start time of its process and the boot of its machine it is not. Two containers
on one machine share its boot, but not their pids: a process of another pid namespace, or of another host, is out
of our sight and taken for alive. Without `/proc` (outside Linux) only the pid is asked for.
"""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

from msgspec import Struct

_PROC = Path("/proc")
_ENDED_STATES = ("Z", "X", "x")
_ENDED = -1

_open_owners: set[str] = set()


class ProcessId(Struct, frozen=True):
    """One process of one boot of one machine; `started` (clock ticks since boot) is 0 when unknown.

    `namespace` names that of its pid; it is empty when unknown.
    """

    pid: int
    started: int
    boot: str
    host: str
    namespace: str


def this_process() -> ProcessId:
    """The running process."""
    return _describe(os.getpid())


def in_sight(process: ProcessId) -> bool:
    """Whether its pid means to us what it means to `process`."""
    us = this_process()
    if process.boot and process.boot == us.boot:
        return process.namespace == us.namespace
    return process.host == us.host


def is_alive(process: ProcessId) -> bool:
    """Whether `process` runs now, as far as we can see; a zombie does not."""
    if not in_sight(process):
        return True
    if process.boot != _boot_id():
        return False
    started = _start_time(process.pid)
    if started is None:
        return _answers(process.pid)
    return started == process.started


def enter(owner: str) -> None:
    """Note that `owner` (a journal object of this process) is open."""
    _open_owners.add(owner)


def leave(owner: str) -> None:
    """Note that `owner` is closed: what it still holds in a store may be taken over."""
    _open_owners.discard(owner)


def holds(owner: str, process: ProcessId) -> bool:
    """Whether a lease of `owner` in `process` counts: one of this process ends with its journal object."""
    if process == this_process():
        return owner in _open_owners
    return is_alive(process)


@functools.cache
def _describe(pid: int) -> ProcessId:
    return ProcessId(pid, _start_time(pid) or 0, _boot_id(), socket.gethostname(), _namespace())


@functools.cache
def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _start_time(pid: int) -> int | None:
    """Clock ticks after boot, `_ENDED` for an unreaped process, `None` if `/proc` does not say."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return _ENDED if fields[0] in _ENDED_STATES else int(fields[19])


def _answers(pid: int) -> bool:
    """Asked when `/proc` shows nothing: it is absent, or hides other users' processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
