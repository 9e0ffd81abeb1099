"""The guardian: a small process that outlives its host for as long as it takes to end the host's attempts.

Run as `python -I -S -c BOOT <where skep lies> <host's pid> <base folder>` with a pipe from the host as stdin. The
host tells it nothing: what is to be ended stands in the records, which a SIGKILL does not touch.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

LOOK_MS = 200
"""Between two looks whether the host lives, where nothing tells of its end."""

BOOT = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from skep.workers.process.tree.guardian import main; main(int(sys.argv[2]), sys.argv[3])"
)


def main(host: int, base: str) -> None:
    """Wait for the host's end, then sweep."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pidfd = _pidfd(host)
    _wait(host, pidfd, pipe=True)
    _sweep(base)
    if os.getppid() == host:  # it has let go of us and is about to end, or is another program now
        _wait(host, pidfd, pipe=False)
        _sweep(base)


def _pidfd(host: int) -> int | None:
    """What tells of the host's end even if a fork of it holds the pipe open."""
    with suppress(OSError, AttributeError):
        return os.pidfd_open(host)
    return None


def _wait(host: int, pidfd: int | None, *, pipe: bool) -> None:
    """Until the host has ended or, with `pipe`, has closed it."""
    poll = select.poll()
    if pipe:
        poll.register(0, select.POLLIN)
    if pidfd is not None:
        poll.register(pidfd, select.POLLIN)
    while os.getppid() == host:
        if poll.poll(None if pidfd is not None or pipe else LOOK_MS):
            return


def _sweep(base: str) -> None:
    from skep.workers.process.tree.leftovers import sweep_now  # noqa: PLC0415 - its memory is needed only now

    if os.path.isdir(base):
        sweep_now(base)
