"""The untrusted profile behind the port: scripts of one principal, each call in a process that is only that one's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Raw

from skep.errors import LimitExceeded, WorkerCancelled
from skep.lua.isolation.child import Child
from skep.lua.isolation.messages import Hook, Run
from skep.lua.isolation.pool import ChildPool
from skep.lua.runner import HostFunction, Script
from skep.values import encode
from skep.workers.cancel import CancelToken


class ChildRunner:
    """Runs the scripts of `principal` in processes of `pool`. Every call has a fresh VM: nothing stays behind.

    Args:
        pool: may be shared by runners of any principals; who made it shuts it down.
        principal: on whose behalf the scripts run; no process ever serves two.
    """

    def __init__(self, pool: ChildPool, principal: str) -> None:
        self._pool = pool
        self._principal = principal

    async def hook(self, script: Script, *args: Any, cancel: CancelToken | None = None) -> Any:
        """As `Runner.hook`.

        Raises:
            LuaError: the script failed; `LuaProcessFailed` of them: its process did.
            LimitExceeded: it used more than it may.
            PoolExhausted: no process was free in time.
            WorkerCancelled: `cancel` ended it.
        """
        self._check(script, cancel)
        given = Raw(encode(list(args), where="arguments"))
        async with self._pool.process(self._principal, cancel) as child:
            message = Hook(_next(child, cancel), script.source, script.name, given, script.drops_result)
            return await child.call(message, {}, cancel)

    async def run(
        self,
        script: Script,
        variables: Mapping[str, Any],
        *,
        host: Mapping[str, HostFunction] | None = None,
        cancel: CancelToken | None = None,
    ) -> Any:
        """As `Runner.run`. Host functions run here, on the event loop, when the script asks for them.

        Raises:
            LuaError: the script failed; `LuaProcessFailed` of them: its process did.
            LimitExceeded: it used more than it may.
            PoolExhausted: no process was free in time.
            WorkerCancelled: `cancel` ended it.
        """
        self._check(script, cancel)
        functions = dict(host or {})
        given = Raw(encode(dict(variables), where="variables"))
        async with self._pool.process(self._principal, cancel) as child:
            message = Run(_next(child, cancel), script.source, script.name, given, list(functions))
            return await child.call(message, functions, cancel)

    async def close(self) -> None:
        """End the processes of this principal; the pool stays."""
        await self._pool.forget(self._principal)

    def _check(self, script: Script, cancel: CancelToken | None) -> None:
        _check_not_cancelled(cancel)
        most = self._pool.limits.source
        if len(script.source.encode("utf-8", "surrogatepass")) > most:
            raise LimitExceeded("source", most, where=script.name)


def _next(child: Child, cancel: CancelToken | None) -> int:
    """The number of the child's next call, unless it was cancelled while it waited."""
    _check_not_cancelled(cancel)
    return child.calls + 1


def _check_not_cancelled(cancel: CancelToken | None) -> None:
    if cancel is not None and cancel.reason is not None:
        raise WorkerCancelled(cancel.reason)
