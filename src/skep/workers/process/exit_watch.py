"""Learning of a child's exit without touching what belongs to the whole process (signals, child watchers)."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress

from skep.workers.process.poller import poller

Exited = Callable[[int | None], object]
"""Gets the exit code when the watch itself had to reap the child; `None` leaves that to the caller."""


def watch_exit(pid: int, exited: Exited) -> Callable[[], None]:
    """Call `exited` on the event loop once `pid` has exited; returns what ends the watch.

    Where there is a pidfd the child stays a zombie until its owner reaps it, so its number, which is also
    that of its process group, cannot be taken by another process meanwhile.
    """
    loop = asyncio.get_running_loop()
    try:
        pidfd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return _watch_in_thread(loop, pid, exited)

    def stop() -> None:
        nonlocal pidfd
        if pidfd >= 0:
            watching.forget(pidfd)
            os.close(pidfd)
            pidfd = -1

    def readable() -> None:
        stop()
        exited(None)

    watching = poller()
    watching.watch(pidfd, readable)
    return stop


def reap(pid: int) -> int | None:
    """The exit code of a child that has exited, negative for a signal; `None` if somebody else reaped it."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)


def reap_in_background(pid: int) -> None:
    """Reap a child that was just killed, without waiting here."""
    threading.Thread(target=reap, args=(pid,), name="skep-reap", daemon=True).start()


def _watch_in_thread(loop: asyncio.AbstractEventLoop, pid: int, exited: Exited) -> Callable[[], None]:
    stopped = threading.Event()

    def report(code: int | None) -> None:
        if not stopped.is_set():
            exited(code)

    def wait() -> None:
        code = reap(pid)
        with suppress(RuntimeError):  # the event loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(report, code)

    threading.Thread(target=wait, name="skep-wait", daemon=True).start()
    return stopped.set
