"""Where a script can run: in this process or in a child, behind one port (DESIGN section 9).

Layers and workers know only this; whether a VM runs on the caller's thread, in a thread or in another process is
the runner's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from skep.workers.cancel import CancelToken

HostFunction = Callable[[Any], Any]
"""What a script may call: takes one JSON value and returns one; what it raises is a string error in Lua."""


class Script(Struct, frozen=True):
    """Lua source, text only, and the name that its errors show."""

    source: str
    name: str = "script"
    drops_result: bool = False
    """As a hook: what its function returns is dropped where it is, whether or not it has a JSON form."""


class Runner(Protocol):
    """Runs scripts. Arguments and results are JSON values, copied on the way in and out.

    Both methods raise:

    - `LuaError`: the script failed, by its own fault; the message has name, line and traceback as plain text.
    - `LimitExceeded`: it used more memory, time, instructions or output than it may.
    - `PoolExhausted`: no VM was free in time.
    - `WorkerCancelled`: it was ended by `cancel`.
    """

    async def hook(self, script: Script, *args: Any, cancel: CancelToken | None = None) -> Any:
        """Evaluate the script, which gives a function; call that with `args`; the first value it returns.

        The chunk is compiled once per VM and evaluated on every call, so its locals are fresh.
        """
        ...

    async def run(
        self,
        script: Script,
        variables: Mapping[str, Any],
        *,
        host: Mapping[str, HostFunction] | None = None,
        cancel: CancelToken | None = None,
    ) -> Any:
        """Evaluate the script once with `variables` and `host.<name>` as globals; the first value it returns."""
        ...

    async def close(self) -> None:
        """End every VM."""
        ...
