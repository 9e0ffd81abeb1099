"""One Lua VM: scripts in, JSON values out (DESIGN section 9)."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from skep.errors import LuaError
from skep.lua.calls import Calls
from skep.lua.convert import utf8
from skep.lua.coroutine import LuaCoroutine, Returned, Yielded
from skep.lua.limits import DEFAULT_LIMITS, Limits
from skep.lua.modules import Find, Roots
from skep.lua.runner import HostFunction, Script
from skep.workers.cancel import CancelToken

log = logging.getLogger("skep.lua")

_seeds = random.Random()  # noqa: S311 - asking the system for each costs a tenth of a new VM; nothing shows a seed

Profile = Literal["trusted", "untrusted"]
"""What a script may reach: docs/lua.md has the list of each."""


class LuaVM:
    """A Lua 5.5 state with an allow-list of globals and with limits.

    One thread at a time may use it, not always the same one. Globals that a script sets stay for the next: scripts
    that must not meet get a VM each, which is cheap. A VM in which a limit or a cancel has ended a script is not
    `usable` any more.

    Args:
        limits: what it may use.
        profile: `trusted` has files, `os.getenv` and parts of `debug`; `untrusted` has none of these. Neither has
            processes, bytecode, native modules or Python. Untrusted code also wants a process of its own: no limit
            reaches into a C function such as `string.find`.
        roots: folders in which `require` looks; or what finds a module by name, as `Roots.find` does.
        hash_seed: of strings, 32 bits: decides the order of `pairs`. Random unless given.
        random_seed: of `math.random`. Random unless given.
        write: gets what scripts print, line ends included. The log `skep.lua` unless given.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        profile: Profile = "trusted",
        *,
        roots: Sequence[Path | str] | Find = (),
        hash_seed: int | None = None,
        random_seed: int | None = None,
        write: Callable[[str], object] | None = None,
    ) -> None:
        self.limits = limits
        self.profile: Profile = profile
        self.hash_seed = _seeds.getrandbits(32) if hash_seed is None else hash_seed
        find = roots if callable(roots) else Roots(roots, limits.source).find
        self._calls = Calls(limits, self.hash_seed, find, write or _log_print, trusted=profile == "trusted")
        if random_seed is not None:
            self.run(Script(f"math.randomseed({random_seed:d})", "seed"))

    @property
    def usable(self) -> bool:
        """Whether it may be used again."""
        return self._calls.usable

    @property
    def memory(self) -> int:
        """Bytes that it holds now, those of a fresh Lua state not counted."""
        return self._calls.runtime.get_memory_used()

    def define(self, name: str, function: HostFunction) -> None:
        """Let scripts call `function` as the global `name`; `a.b` is the field `b` of the global table `a`.

        A script passes one value and gets one; what `function` raises is a string error in Lua.
        """
        utf8(name, "host function")
        with self._calls.using():
            self._calls.act("define", self._calls.register(function), *name.split("."))

    def not_counted(self, seconds: float) -> None:
        """Give the call that is under way this much more time: a host function has waited for somebody."""
        self._calls.extend(seconds)

    def compile(self, script: Script) -> None:
        """Compile a script before it is needed; nothing of it runs.

        Raises:
            LuaError: a syntax error.
            LimitExceeded: the source is too long, or compiling takes too much memory.
        """
        with self._calls.using():
            self._calls.chunk(script)

    def hook(self, script: Script, *args: Any, cancel: CancelToken | None = None) -> Any:
        """Evaluate the script, which gives a function; call that with `args`; the first value it returns.

        Raises:
            LuaError: the script failed.
            LimitExceeded: it passed a limit.
            ConversionError: a value cannot cross.
            WorkerCancelled: `cancel` was cancelled, in another thread.
        """
        coroutine = LuaCoroutine(self._calls, script)
        return self._complete(coroutine, coroutine.start_hook(args, cancel))

    def run(
        self,
        script: Script,
        variables: Mapping[str, Any] | None = None,
        *,
        host: Mapping[str, HostFunction] | None = None,
        cancel: CancelToken | None = None,
    ) -> Any:
        """Evaluate the script with `variables` and `host.<name>` as globals; the first value it returns.

        These globals are put back when it has ended, and its host functions work no longer. Raises as `hook`.
        """
        coroutine = LuaCoroutine(self._calls, script, host)
        return self._complete(coroutine, coroutine.start(variables, cancel))

    def coroutine(self, script: Script, *, host: Mapping[str, HostFunction] | None = None) -> LuaCoroutine:
        """A script that may yield JSON values to Python: `start` it, then `resume` it."""
        return LuaCoroutine(self._calls, script, host)

    def close(self) -> None:
        """Give its memory back, at once if no thread is in it. It is not usable any more."""
        self._calls.close()

    def _complete(self, coroutine: LuaCoroutine, outcome: Yielded | Returned) -> Any:
        if isinstance(outcome, Yielded):
            coroutine.drop()
            raise LuaError("the script yields, and nobody resumes it here", script=coroutine.script.name)
        return outcome.value


def _log_print(text: str) -> None:
    log.info("%s", text.rstrip("\n"))
