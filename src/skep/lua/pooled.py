"""The runner for trusted scripts: VMs of a pool, on the loop's thread or in threads of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Literal

from skep.errors import LimitExceeded, WorkerCancelled
from skep.limits import DEFAULT_LIMITS
from skep.lua.pool import Lease, LuaPool
from skep.lua.runner import HostFunction, Script
from skep.lua.vm import LuaVM
from skep.workers.cancel import CancelToken
from skep.workers.threads import Call, ThreadPool

log = logging.getLogger("skep.lua")

Where = Literal["inline", "thread"]
GRACE = 1.0
"""Seconds from a script's limit or cancel until its thread is left behind: it is inside a C function."""


class PooledRunner:
    """Implements `skep.lua.runner.Runner`.

    Args:
        pool: where the VMs come from; `close` shuts it down.
        where: `inline` runs on the event loop, which then waits: for short scripts, at most the VM's `wall` limit.
            `thread` runs in a worker thread.
        checkout: seconds that a call waits for a VM.
        threads: for `thread`; its own unless given.
    """

    def __init__(
        self,
        pool: LuaPool,
        where: Where = "inline",
        *,
        checkout: float | None = 30.0,
        threads: ThreadPool | None = None,
    ) -> None:
        self._pool = pool
        self._where: Where = where
        self._checkout = checkout
        self._threads = threads or ThreadPool(DEFAULT_LIMITS)

    async def hook(self, script: Script, *args: Any, cancel: CancelToken | None = None) -> Any:
        """As `Runner.hook`."""
        return await self._work(lambda vm, ended: vm.hook(script, *args, cancel=ended), cancel)

    async def run(
        self,
        script: Script,
        variables: Mapping[str, Any],
        *,
        host: Mapping[str, HostFunction] | None = None,
        cancel: CancelToken | None = None,
    ) -> Any:
        """As `Runner.run`; in a thread, host functions are called there."""
        return await self._work(lambda vm, ended: vm.run(script, variables, host=host, cancel=ended), cancel)

    async def close(self) -> None:
        """End every VM."""
        self._pool.shutdown()

    async def _work(
        self, work: Callable[[LuaVM, CancelToken | None], Any], cancel: CancelToken | None
    ) -> Any:
        if cancel is not None and cancel.cancelled:
            raise WorkerCancelled(cancel.reason or "cancelled")
        lease = await self._pool.checkout(self._checkout, cancel)
        if self._where == "inline":
            with lease as vm:
                return work(vm, cancel)
        return await _Threaded(lease, work, self._pool.limits.wall).run(self._threads, cancel)


class _Threaded:
    """One call in a thread, and how it ends early: by its guard, or left behind after the grace."""

    def __init__(self, lease: Lease, work: Callable[[LuaVM, CancelToken | None], Any], wall: float) -> None:
        self._lease = lease
        self._work = work
        self._wall = wall
        self._ended = CancelToken()
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[Any] = self._loop.create_future()

    async def run(self, threads: ThreadPool, cancel: CancelToken | None) -> Any:
        calls = 2 if self._lease.fresh else 1  # a fresh VM runs its init first
        try:
            call = threads.submit(self._in_thread)
        except BaseException:
            self._lease.release()
            raise
        if cancel is not None:
            cancel.on_cancel(self._stop)
        late = self._leave_after(calls * self._wall + GRACE, LimitExceeded("wall", self._wall))
        try:
            return await self._done
        except asyncio.CancelledError:
            self._ended.cancel()
            self._leave_behind(threads, call)
            raise
        except _LeftBehind as left:
            self._leave_behind(threads, call)
            raise left.error from None
        finally:
            if late is not None:
                late.cancel()

    def _stop(self, reason: str) -> None:
        if not self._done.done():
            self._ended.cancel(reason)
            self._leave_after(GRACE, WorkerCancelled(reason))

    def _leave_after(self, seconds: float, error: Exception) -> asyncio.TimerHandle | None:
        if seconds == inf:
            return None
        return self._loop.call_later(seconds, self._finish, None, _LeftBehind(error))

    def _leave_behind(self, threads: ThreadPool, call: Call) -> None:
        if threads.withdraw(call) or threads.abandon(call):
            self._lease.kill()

    # -- in the thread -------------------------------------------------------------------------

    def _in_thread(self) -> None:
        value, error = None, None
        try:
            with self._lease as vm:
                value = self._work(vm, self._ended)
        except BaseException as caught:  # noqa: BLE001 - raised where the call is awaited
            error = caught
        try:
            self._loop.call_soon_threadsafe(self._finish, value, error)
        except RuntimeError:
            log.debug("a script ended after the loop that waited for it")

    def _finish(self, value: Any, error: BaseException | None) -> None:
        if self._done.done():
            return
        if error is not None:
            self._done.set_exception(error)
        else:
            self._done.set_result(value)


class _LeftBehind(Exception):
    """The thread is still inside the script; `error` is what the caller gets."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
