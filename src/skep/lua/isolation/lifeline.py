"""A script's process ends with its host, however that ends, even in a loop that asks for nothing.

The host holds one end of a pipe into which nobody writes. When it is gone the kernel sends SIGIO to the process that
asked for it, and nothing in that process has to run for it to die. (A parent-death signal would come when the *thread*
ends that started it.)
"""

from __future__ import annotations

import fcntl
import os
import select
import signal


def hold(descriptor: int) -> None:
    """Die when the other end of this pipe closes; at once if it has."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(descriptor, 0)
    if poll.poll(0):
        os._exit(0)
