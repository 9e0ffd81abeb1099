"""Signalling processes without ever meeting another that took over a number, and waiting for their end."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

from skep.workers.process.tree import procfs
from skep.workers.process.tree.procfs import Proc

ROUND = 0.5
"""Seconds until those who were killed are looked for again, should some not have ended."""
CHECK = 0.02
"""Seconds between two looks where no descriptor tells of an end."""


def send(process: Proc, number: signal.Signals) -> None:
    """Signal exactly this process; nothing happens if it has ended or is not ours to signal."""
    with suppress(OSError):
        try:
            descriptor = os.pidfd_open(process.pid)
        except AttributeError:
            if _is_same(process):
                os.kill(process.pid, number)
            return
        try:
            if _is_same(process):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def kill_all(find: Callable[[], list[Proc]], seconds: float) -> list[Proc]:
    """Kill what `find` finds until it finds nothing alive; those that still lived when the time was over.

    One look is never enough: a process may have started another between the look and its end.
    """
    end = time.monotonic() + seconds
    while True:
        alive = [process for process in find() if not process.ended]
        if not alive or time.monotonic() > end:
            return alive
        for process in alive:
            send(process, signal.SIGKILL)
        wait_for(alive, min(ROUND, max(0.0, end - time.monotonic())))


def wait_for(processes: Iterable[Proc], seconds: float) -> bool:
    """Wait until all have ended, for so long; whether they have."""
    end = time.monotonic() + seconds
    with ExitStack() as stack:
        poll = select.poll()
        watched: dict[int, Proc] = {}
        for process in processes:
            with suppress(OSError, AttributeError):
                descriptor = os.pidfd_open(process.pid)
                stack.callback(os.close, descriptor)
                poll.register(descriptor, select.POLLIN)
                watched[descriptor] = process
        while watched and (left := end - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                poll.unregister(descriptor)
                del watched[descriptor]
    while any(_is_same(process) for process in processes):
        if time.monotonic() > end:
            return False
        time.sleep(CHECK)
    return True


def reap(pid: int) -> None:
    """Reap one child of ours that has ended and that nobody waits for."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _is_same(process: Proc) -> bool:
    """Whether the process that now has this number is the one that was seen, and has not ended."""
    now = procfs.look(process.pid)
    return now is not None and now.start == process.start and not now.ended
