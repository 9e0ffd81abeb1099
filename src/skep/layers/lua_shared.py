"""The process-wide pool of VMs for hooks that bring no pool along."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from skep.lua.limits import Limits

if TYPE_CHECKING:
    from skep.lua.pool import LuaPool
    from skep.lua.pooled import PooledRunner, Where

HOOK_LIMITS = Limits(wall=1.0)
"""An inline hook holds the event loop up while it runs, so it gets a second and not the ten of a VM."""
SIZE = 4


class SharedPool:
    """Four warm VMs, made when a hook first needs one, closed with the last engine that held them.

    Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: set[object] = set()
        self._pool: LuaPool | None = None
        self._runners: dict[Where, PooledRunner] = {}

    @property
    def pool(self) -> LuaPool | None:
        """What stands now."""
        return self._pool

    def runner(self, where: Where) -> PooledRunner:
        """The runner on these VMs."""
        known = self._runners.get(where)
        return known if known is not None else self._made(where)

    def hold(self, holder: object) -> None:
        """An engine may use the pool from here on."""
        with self._lock:
            self._holders.add(holder)

    def drop(self, holder: object) -> None:
        """That engine has closed. A pool that somebody is in stays: it is a layer's that no engine knows."""
        with self._lock:
            self._holders.discard(holder)
            if self._holders or self._pool is None or self._pool.in_use:
                return
            pool, self._pool, self._runners = self._pool, None, {}
        pool.shutdown()

    def _made(self, where: Where) -> PooledRunner:
        from skep.lua.pool import LuaPool  # noqa: PLC0415 - who runs no Lua does not wait for it to be loaded
        from skep.lua.pooled import PooledRunner  # noqa: PLC0415 - as above

        with self._lock:
            if self._pool is None:
                self._pool = LuaPool(SIZE, limits=HOOK_LIMITS)
            if where not in self._runners:
                self._runners[where] = PooledRunner(self._pool, where)
            return self._runners[where]


SHARED = SharedPool()
