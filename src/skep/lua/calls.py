"""How Python goes into a Lua state and comes back: one call at a time, the memory limit lifted outside of it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from skep.errors import LimitExceeded, LuaError, SkepError
from skep.lua.binding import LuaMemoryError, LupaError
from skep.lua.bridge import Bridge
from skep.lua.convert import BATCH, rebuild, utf8
from skep.lua.failures import ended, refused, script_error
from skep.lua.limits import Limits
from skep.lua.runner import HostFunction, Script
from skep.lua.runtime import boot, new_runtime
from skep.values import check_text
from skep.workers.cancel import CancelToken

_NO_MEMORY = "not enough memory"


class Calls:
    """A Lua state and the one call that may be under way in it."""

    def __init__(
        self,
        limits: Limits,
        hash_seed: int,
        find: Callable[[str], tuple[str, ...]],
        write: Callable[[str], object],
        *,
        trusted: bool,
    ) -> None:
        self.limits = limits
        self.usable = True
        self.functions: dict[int, HostFunction] = {}
        self.runtime: Any = new_runtime(hash_seed)
        self._bridge = Bridge(limits, self, find, write)
        self.act: Any = boot(self.runtime, self._bridge, limits, trusted=trusted)
        self._busy = False
        self._numbers = 0
        self._chunks: OrderedDict[Script, int] = OrderedDict()

    def close(self) -> None:
        """Drop the state; one that a thread is in goes when the thread comes out."""
        self.usable = False
        if not self._busy and self.runtime is not None:
            self.act = self.runtime = None
            del self._bridge.flattener  # its marks hold the state too

    def number(self) -> int:
        """A fresh number, for what Lua and Python both know."""
        self._numbers += 1
        return self._numbers

    def occupy(self) -> None:
        """One caller at a time: a host function that calls into its own VM would upset the call it is in.

        Raises:
            LuaError: the VM is in use, or has ended.
        """
        if self._busy or not self.usable:
            raise LuaError(f"this Lua VM {'is in use' if self._busy else 'has ended'}")
        self._busy = True

    def leave(self) -> None:
        """The caller of `occupy` has done what it wanted."""
        self._busy = False

    @contextmanager
    def using(self) -> Generator[None]:
        """`occupy` and `leave`."""
        self.occupy()
        try:
            yield
        finally:
            self.leave()

    # -- going in ------------------------------------------------------------------------------

    def chunk(self, script: Script) -> int:
        """The script, compiled once.

        Raises:
            LuaError: a syntax error.
            LimitExceeded: the source is too long, or compiling takes too much memory.
        """
        number = self._chunks.get(script)
        if number is not None:
            self._chunks.move_to_end(script)
            return number
        check_text(script.name, "script name")
        if len(utf8(script.source, script.name)) > self.limits.source:
            raise LimitExceeded("source", self.limits.source, where=script.name)
        number = self.number()
        failure = self._call("compile", number, script.source, script.name, script.drops_result)
        if failure is not None:
            raise self._ending(script, *failure)
        self._chunks[script] = number
        if len(self._chunks) > self.limits.chunks:
            self.act("forget", self._chunks.popitem(last=False)[1])
        return number

    def give(self, values: tuple[Any, ...], where: str) -> None:
        """Hand values to Lua: the arguments of the next call."""
        rest = self.give_most(values, where)
        if rest:
            self.act("take", *rest)

    def give_most(self, values: tuple[Any, ...], where: str) -> list[Any]:
        """The same; returns the last batch of tokens, for the call itself to take along."""
        tokens: list[Any] = []
        for place, value in enumerate(values, 1):
            name = where if len(values) == 1 else f"{where} {place}"
            tokens += self._bridge.flattener.flatten(value, name)
        last = len(tokens) - len(tokens) % BATCH
        for at in range(0, last, BATCH):
            self.act("take", *tokens[at : at + BATCH])
        return tokens[last:] if last else tokens

    def bind(self, call: int, variables: Mapping[str, Any], host: Mapping[str, HostFunction]) -> list[int]:
        """Set globals for one call; returns the numbers of its host functions."""
        if variables:
            self.give((dict(variables),), "variables")
            self.act("bind", call)
        numbers = {name: self.register(function) for name, function in host.items()}
        if numbers:
            self.act("bind_host", call, *(item for pair in numbers.items() for item in pair))
        return list(numbers.values())

    def register(self, function: HostFunction) -> int:
        number = self.number()
        self.functions[number] = function
        return number

    # -- in and back ---------------------------------------------------------------------------

    def enter(
        self, script: Script, act: str, args: tuple[Any, ...], *, wall: float, cancel: CancelToken | None
    ) -> tuple[bool, Any]:
        """Run in Lua until the script ends (`True`) or yields (`False`), and the value it gives.

        Raises:
            LuaError, LimitExceeded, ConversionError, WorkerCancelled: as `LuaVM.hook`.
        """
        self._bridge.begin(wall, cancel)
        answer = self._call(act, *args)
        raised = self._bridge.raised
        if raised is not None:
            self.usable = False
            raise raised
        state, *rest = answer
        if state in {"done", "yielded"}:
            return state == "done", self._value(script, *rest)
        raise self._ending(script, state, *rest)

    def seconds_left(self) -> float:
        """Of the call that was under way last."""
        return self._bridge.deadline - time.monotonic()

    def extend(self, seconds: float) -> None:
        """Give the call that is under way more time."""
        self._bridge.deadline += seconds

    def _call(self, act: str, *args: Any) -> Any:
        try:
            return self.act(act, *args)
        except LuaMemoryError:
            return self._unlimited("limit", "memory")
        except LupaError as error:
            return self._unlimited("error", str(error), "")
        except BaseException:
            self._unlimited()
            raise

    def _unlimited(self, *answer: str) -> tuple[str, ...]:
        """Lua has lifted its limit on memory itself, unless it ended in an error."""
        self.runtime.set_max_memory(0)
        return answer

    def _value(self, script: Script, count: int, *tokens: Any) -> Any:
        if len(tokens) == count:
            return rebuild(tokens)
        gathered = list(tokens)
        while len(gathered) < count:
            if time.monotonic() > self._bridge.deadline:
                raise self._ending(script, "limit", "wall")
            gathered += self.act("give_more", len(gathered) + 1)[1:]
        return rebuild(gathered)

    def _ending(self, script: Script, state: str, what: str, more: str = "") -> SkepError:
        if state == "refused":
            return refused(script.name, what, more)
        if state == "limit":
            return self._limit(script, what)
        return self._failure(script, what, more)

    def _failure(self, script: Script, message: Any, traceback: str) -> SkepError:
        if message == _NO_MEMORY:
            return self._limit(script, "memory")
        return script_error(script.name, message, traceback)

    def _limit(self, script: Script, name: str) -> SkepError:
        self.usable = False
        cancel = self._bridge.cancel
        return ended(script.name, name, self.limits, cancel.reason if cancel is not None else None)
