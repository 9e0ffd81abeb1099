"""A bounded set of Lua VMs that callers take turns with: whoever waits longest is next."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from types import TracebackType

from skep.errors import ConfigError, PoolExhausted, WorkerCancelled
from skep.lua.limits import DEFAULT_LIMITS, Limits
from skep.lua.runner import Script
from skep.lua.vm import LuaVM, Profile
from skep.workers.cancel import CancelToken

Init = str | Callable[[LuaVM], object]
"""What makes a new VM ready: Lua source, or a function that may `define` host functions."""


class Strategy(Enum):
    """What becomes of a VM that is given back."""

    WARM = "warm"
    """It is used again; globals that its scripts set stay."""
    COLD = "cold"
    """It is closed: every caller gets a new one."""


class Lease:
    """A place in the pool and the VM in it, for one caller; `with lease as vm:` gives it back."""

    def __init__(self, pool: LuaPool, vm: LuaVM | None) -> None:
        self._pool = pool
        self._vm = vm
        self._held = True

    @property
    def fresh(self) -> bool:
        """Whether its VM is still to be made."""
        return self._vm is None

    @property
    def vm(self) -> LuaVM:
        """The VM; a new one is made here, in the thread that asks, and what its `init` raises is raised."""
        if self._vm is None:
            self._vm = self._pool.new_vm()
        return self._vm

    def kill(self) -> None:
        """Give the place back and never use the VM again; a thread that is still in it keeps it to itself."""
        self._pool.take_back(self, keep=False)

    def release(self) -> None:
        """Give the place back; later calls change nothing."""
        self._pool.take_back(self, keep=True)

    def end(self) -> tuple[bool, LuaVM | None]:
        """Whether it was held until now, and its VM. Under the pool's lock: only one caller gets `True`."""
        held, self._held = self._held, False
        vm, self._vm = self._vm, None
        return held, vm

    def __enter__(self) -> LuaVM:
        try:
            return self.vm
        except BaseException:
            self.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


class _Waiter:
    """Somebody who waits, in whichever loop."""

    __slots__ = ("future", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Lease] = self.loop.create_future()


class LuaPool:
    """At most `max_size` VMs, made when they are first needed. Safe to use from any thread and any loop.

    Args:
        max_size: VMs at once.
        strategy: `WARM` (default) or `COLD`.
        init: runs once in each new VM.
        limits, profile, roots, write: of each VM, as `LuaVM` has them.
        max_waiting: callers that may wait at once; one more is `PoolExhausted`.
    """

    def __init__(
        self,
        max_size: int = 4,
        strategy: Strategy = Strategy.WARM,
        init: Init | None = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
        profile: Profile = "trusted",
        roots: Sequence[Path | str] = (),
        write: Callable[[str], object] | None = None,
        max_waiting: int = 10_000,
    ) -> None:
        if max_size < 1:
            raise ConfigError("a pool of Lua VMs has at least one", fix="max_size=1 or more")
        self.max_size = max_size
        self.strategy = strategy
        self.limits = limits
        self._init = init
        self._make = partial(LuaVM, limits, profile, roots=roots, write=write)
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._free = max_size
        self._idle: list[LuaVM] = []
        self._waiting: deque[_Waiter] = deque()
        self._shut = False

    @property
    def in_use(self) -> int:
        """VMs that are checked out."""
        return self.max_size - self._free

    def try_checkout(self) -> Lease | None:
        """A VM at once, or `None`.

        Raises:
            PoolExhausted: the pool is shut down.
        """
        with self._lock:
            return self._take()

    async def checkout(
        self,
        timeout: float | None = 30.0,  # noqa: ASYNC109 - one timer, no task
        cancel: CancelToken | None = None,
    ) -> Lease:
        """A VM, when it is this caller's turn; `timeout` in seconds, `None` for no end.

        Raises:
            PoolExhausted: not in time, too many wait already, or the pool is shut down.
            WorkerCancelled: `cancel` was cancelled meanwhile.
        """
        with self._lock:
            lease = self._take()
            if lease is not None:
                return lease
            if len(self._waiting) >= self._max_waiting:
                raise PoolExhausted(f"{self._max_waiting:,} callers wait for a Lua VM already")
            waiter = _Waiter()
            self._waiting.append(waiter)
        if cancel is not None:
            cancel.on_cancel(lambda reason: _fail(waiter.future, WorkerCancelled(reason)))
        return await self._wait(waiter, timeout)

    def shutdown(self) -> None:
        """Close every VM, those in use when they come back. Who waits gets `PoolExhausted`."""
        with self._lock:
            self._shut = True
            idle, self._idle = self._idle, []
            waiting, self._waiting = self._waiting, deque()
        for vm in idle:
            vm.close()
        for waiter in waiting:
            waiter.loop.call_soon_threadsafe(_fail, waiter.future, _shut_down())

    # -- for leases ----------------------------------------------------------------------------

    def new_vm(self) -> LuaVM:
        """A VM of this pool, ready for use."""
        vm = self._make()
        if isinstance(self._init, str):
            vm.run(Script(self._init, "init"))
        elif self._init is not None:
            self._init(vm)
        return vm

    def take_back(self, lease: Lease, *, keep: bool) -> None:
        """A lease has ended: keep its VM if it is still good, and let the next caller in."""
        with self._lock:
            held, vm = lease.end()
            if not held:
                return
            self._free += 1
            if vm is not None and keep and vm.usable and not self._shut and self.strategy is Strategy.WARM:
                self._idle.append(vm)
                vm = None
            self._hand_on()
        if vm is not None:
            vm.close()

    # -- under the lock ------------------------------------------------------------------------

    def _take(self) -> Lease | None:
        if self._shut:
            raise _shut_down()
        if self._free == 0 or self._waiting:
            return None
        self._free -= 1
        return Lease(self, self._idle.pop() if self._idle else None)

    def _hand_on(self) -> None:
        while self._waiting and self._free:
            waiter = self._waiting.popleft()
            self._free -= 1
            lease = Lease(self, self._idle.pop() if self._idle else None)
            try:
                waiter.loop.call_soon_threadsafe(_give, waiter.future, lease)
            except RuntimeError:  # its loop has been closed: nobody waits there any more
                self._free += 1

    # -- waiting -------------------------------------------------------------------------------

    async def _wait(self, waiter: _Waiter, seconds: float | None) -> Lease:
        late = None
        if seconds is not None:
            error = PoolExhausted(
                f"no Lua VM was free in {seconds:g} s", fix="a larger max_size, or shorter scripts"
            )
            late = waiter.loop.call_later(seconds, _fail, waiter.future, error)
        try:
            return await waiter.future
        except BaseException:
            self._withdraw(waiter)
            raise
        finally:
            if late is not None:
                late.cancel()

    def _withdraw(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
            waiter.future.result().release()


def _give(future: asyncio.Future[Lease], lease: Lease) -> None:
    if future.done():
        lease.release()
    else:
        future.set_result(lease)


def _fail(future: asyncio.Future[Lease], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _shut_down() -> PoolExhausted:
    return PoolExhausted("the pool of Lua VMs is shut down")
