"""The guardian: a small process that outlives its host for as long as it takes to end the host's attempts.

Run as `python -I -S -c BOOT <where skep lies> <host's pid> <base folder>` with a pipe from the host as stdin. The
host tells it nothing: what is to be ended stands in the records, which a SIGKILL does not touch.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

BOOT = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from skep.workers.process.tree.guardian import main; main(int(sys.argv[2]), sys.argv[3])"
)


def main(host: int, base: str) -> None:
    """Wait for the host's end, then sweep."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _wait(host)
    from skep.workers.process.tree.leftovers import sweep_now  # noqa: PLC0415 - its memory is needed only now

    if os.path.isdir(base):
        sweep_now(base)


def _wait(host: int) -> None:
    """Until the pipe is closed or the host has gone: a fork of it may hold the pipe open."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    with suppress(OSError, AttributeError):
        poll.register(os.pidfd_open(host), select.POLLIN)
    if os.getppid() == host:
        poll.poll()
