"""Threads for synchronous worker functions.

Python cannot stop a thread. So the threads are daemons (they never keep the interpreter from ending), and one
whose function does not return after its call was given up is left behind: counted, replaced, and limited.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Literal

from skep.errors import LimitExceeded, SpawnError
from skep.limits import DEFAULT_LIMITS, Limits

log = logging.getLogger("skep.workers")

IDLE_SECONDS = 10.0
"""A thread without work ends after this."""


class Call:
    """One function on its way through the pool. `run` is called in a thread and must not raise."""

    __slots__ = ("run", "state")

    def __init__(self, run: Callable[[], object]) -> None:
        self.run = run
        self.state: Literal["waiting", "running", "done", "withdrawn", "abandoned"] = "waiting"


class ThreadPool:
    """At most `sync_threads` threads; callers beyond that wait in order. Safe to use from any thread.

    `abandoned` is how many threads run a function that was given up.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self.abandoned = 0
        self._limits = limits
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Call]] = []
        self._threads = 0
        self._waiting: OrderedDict[Call, None] = OrderedDict()

    @property
    def threads(self) -> int:
        """Threads that work or wait for work; those abandoned are not counted."""
        return self._threads

    def submit(self, run: Callable[[], object]) -> Call:
        """Run `run()` in a thread, at once or when one is free.

        Raises:
            LimitExceeded: `abandoned_threads` functions did not return after they were cancelled, or
                `sync_waiting` calls wait already.
            SpawnError: the system gives no more threads.
        """
        call = Call(run)
        with self._lock:
            if self.abandoned >= self._limits.abandoned_threads:
                raise LimitExceeded(
                    "abandoned_threads",
                    self._limits.abandoned_threads,
                    fix="let the sync functions heed inv.cancel_token, or make them async",
                )
            if self._idle:
                self._idle.pop().put(call)
            elif self._threads < self._limits.sync_threads:
                self._start(call)
            elif len(self._waiting) < self._limits.sync_waiting:
                self._waiting[call] = None
            else:
                raise LimitExceeded("sync_waiting", self._limits.sync_waiting)
        return call

    def withdraw(self, call: Call) -> bool:
        """Take back a call that has not begun; `False` when it has."""
        with self._lock:
            if call.state != "waiting":
                return False
            call.state = "withdrawn"
            self._waiting.pop(call, None)
            return True

    def abandon(self, call: Call) -> bool:
        """Leave a running call's thread behind and replace it; `False` when the call has returned."""
        with self._lock:
            if call.state != "running":
                return False
            call.state = "abandoned"
            self.abandoned += 1
            self._threads -= 1
            if self._waiting:
                self._start_next()
            return True

    # -- in the threads and under the lock -----------------------------------------------------

    def _start(self, call: Call) -> None:
        thread = threading.Thread(target=self._work, args=(call,), name="skep-sync", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except RuntimeError as error:
            self._threads -= 1
            raise SpawnError(f"no thread for a sync function: {error}") from error

    def _start_next(self) -> None:
        call, _ = self._waiting.popitem(last=False)
        try:
            self._start(call)
        except SpawnError:
            self._waiting[call] = None
            self._waiting.move_to_end(call, last=False)
            log.warning("a thread was abandoned and could not be replaced", exc_info=True)

    def _work(self, call: Call | None) -> None:
        jobs: SimpleQueue[Call] = SimpleQueue()
        while call is not None:
            if self._begin(call):
                call.run()
            call = self._next(call, jobs)

    def _begin(self, call: Call) -> bool:
        with self._lock:
            if call.state == "waiting":
                call.state = "running"
            return call.state == "running"

    def _next(self, call: Call, jobs: SimpleQueue[Call]) -> Call | None:
        with self._lock:
            if call.state == "abandoned":
                self.abandoned -= 1
                return None
            call.state = "done"
            if self._waiting:
                return self._waiting.popitem(last=False)[0]
            self._idle.append(jobs)
        try:
            return jobs.get(timeout=self._idle_seconds)
        except Empty:
            return self._retire(jobs)

    def _retire(self, jobs: SimpleQueue[Call]) -> Call | None:
        with self._lock:
            if jobs in self._idle:
                self._idle.remove(jobs)
                self._threads -= 1
                return None
        return jobs.get()
