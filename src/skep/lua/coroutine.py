"""A script that is driven from Python: it runs until it yields a value and goes on when it is given one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from skep.errors import LuaError
from skep.lua.calls import Calls
from skep.lua.runner import HostFunction, Script
from skep.workers.cancel import CancelToken


class Yielded(Struct, frozen=True):
    """What the script has passed to `coroutine.yield`; it waits for `resume`."""

    value: Any


class Returned(Struct, frozen=True):
    """What the script has returned; it has ended."""

    value: Any


class LuaCoroutine:
    """One evaluation of a script. Its limits on time and instructions hold from start to end, waiting not counted.

    Several may be open in one VM. Each method raises what `LuaVM.hook` raises, and the script has then ended.
    """

    def __init__(self, calls: Calls, script: Script, host: Mapping[str, HostFunction] | None = None) -> None:
        self.script = script
        self.ended = False
        self._calls = calls
        self._host = host or {}
        self._number = calls.number()
        self._functions: list[int] = []
        self._seconds = calls.limits.wall
        self._instructions = calls.limits.instructions

    def start_hook(self, args: tuple[Any, ...], cancel: CancelToken | None = None) -> Yielded | Returned:
        """Evaluate the script, which gives a function, and call that."""
        calls = self._calls
        calls.occupy()  # not `using`, which is dearer: this is the way of every hook
        try:
            chunk = calls.chunk(self.script)
            tokens = calls.give_most(args, "argument")
            return self._go("hook", cancel, chunk, *tokens)
        finally:
            calls.leave()

    def start(
        self, variables: Mapping[str, Any] | None = None, cancel: CancelToken | None = None
    ) -> Yielded | Returned:
        """Evaluate the script with these globals."""
        calls = self._calls
        with calls.using():
            chunk = calls.chunk(self.script)
            self._functions = calls.bind(self._number, variables or {}, self._host)
            return self._go("run", cancel, chunk)

    def resume(self, value: Any = None, cancel: CancelToken | None = None) -> Yielded | Returned:
        """Go on: `coroutine.yield` returns `value` in Lua."""
        calls = self._calls
        with calls.using():
            if self.ended:
                raise LuaError("the script has ended", script=self.script.name)
            calls.give((value,), "value")
            return self._go("resume", cancel)

    def drop(self) -> None:
        """Forget a script that waits; its variables with `<close>` are not closed."""
        if self.ended:
            return
        self._end()
        if self._calls.usable:
            with self._calls.using():
                self._calls.act("drop", self._number)

    def _go(self, act: str, cancel: CancelToken | None, *args: Any) -> Yielded | Returned:
        done = True
        try:
            done, value = self._calls.enter(
                self.script,
                act,
                (self._number, self._instructions, *args),
                wall=self._seconds,
                cancel=cancel,
            )
        finally:
            if done:
                self._end()
        if done:
            return Returned(value)
        self._seconds = self._calls.seconds_left()
        self._instructions -= self._calls.act("spent")[0]
        return Yielded(value)

    def _end(self) -> None:
        self.ended = True
        for number in self._functions:
            del self._calls.functions[number]
