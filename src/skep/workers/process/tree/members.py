"""Which processes belong to attempts."""

from __future__ import annotations

import os
from collections.abc import Collection

from skep.workers.process.tree import procfs
from skep.workers.process.tree.marks import VARIABLE, Mark, brand_of, digest_of
from skep.workers.process.tree.procfs import Proc


def members(
    marks: Collection[Mark], *, leaders: Collection[int] = (), spared: Collection[int] = ()
) -> list[Proc]:
    """The processes of our user that carry one of `marks`, are in a session of `leaders`, or descend from such.

    Args:
        marks: of the attempts that are asked for.
        leaders: session leaders of theirs that nobody has reaped yet, so that their number is still their own.
        spared: processes that are not taken, nor what they started. We ourselves and those above us never are.
    """
    if not marks:
        return []
    brands = {mark.brand for mark in marks if mark.brand}
    digests = {mark.digest for mark in marks}
    kept = procfs.ancestors(os.getpid()) | set(spared)
    found: dict[int, Proc] = {}
    others: list[Proc] = []
    for process in procfs.look_at_all():
        if process.pid in kept:
            continue
        known = process.pid in leaders or process.session in leaders or brand_of(process.pid) in brands
        if known or _marked(process.pid, digests):
            found[process.pid] = process
        else:
            others.append(process)
    _add_descendants(found, others)
    return [process for process in found.values() if procfs.is_own(process.pid)]


def _marked(pid: int, digests: Collection[str]) -> bool:
    marker = procfs.variable(pid, VARIABLE)
    return marker is not None and digest_of(marker) in digests


def _add_descendants(found: dict[int, Proc], others: list[Proc]) -> None:
    children: dict[int, list[Proc]] = {}
    for process in others:
        children.setdefault(process.parent, []).append(process)
    waiting = list(found)
    for pid in waiting:
        for child in children.get(pid, ()):
            found[child.pid] = child
            waiting.append(child.pid)
