"""Ending what the attempts of hosts that died have left behind."""

from __future__ import annotations

from typing import NamedTuple

from skep.workers.process.tree import records
from skep.workers.process.tree.ending import kill_all
from skep.workers.process.tree.members import members
from skep.workers.process.tree.procfs import Proc
from skep.workers.process.tree.removal import remove

KILL_SECONDS = 5.0


class Swept(NamedTuple):
    """What a sweep could not do."""

    alive: list[Proc]
    folders: list[str]


def sweep(base: str) -> Swept:
    """Kill the processes of every dead host's attempts and remove its folder. To be called under `locked`."""
    alive: list[Proc] = []
    folders: list[str] = []
    for folder in records.other_hosts(base):
        marks = records.read_if_dead(folder)
        if marks is None:
            continue
        left = kill_all(lambda marks=marks: members(marks), KILL_SECONDS) if marks else []
        if left:
            alive += left
        elif not remove(folder):
            folders.append(folder)
    return Swept(alive, folders)


def sweep_now(base: str | None = None) -> Swept:
    """`sweep`, once nobody else does.

    Raises:
        OSError: the base folder cannot be used.
    """
    base = base or records.base_folder()
    if not records.other_hosts(base):
        return Swept([], [])
    with records.locked(base):
        return sweep(base)
