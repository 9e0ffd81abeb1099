"""Ending every process that descends from this one, for a program that cannot wait (R-tree)."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

PROC = Path("/proc")


def kill_descendants() -> None:
    """Send SIGKILL to all children, grandchildren and so on; without /proc to nobody.

    The guardian of the process workers is spared: it ends what was started meanwhile, and itself.
    """
    module = sys.modules.get("skep.workers.process.tree.registry")
    registry = module.known_registry() if module is not None else None
    spared = registry.guardian if registry is not None else None
    for pid in descendants(os.getpid()):
        if pid == spared:
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def descendants(root: int) -> list[int]:
    """The processes below `root`, parents before children."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = list(children.get(root, ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _parents() -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The command's name, in parentheses, may hold anything: the fields follow its last one.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            pairs.append((int(entry.name), int(fields[1])))
    return pairs
