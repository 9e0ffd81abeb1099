"""What the Lua part of a VM may call in Python. Nothing here raises into Lua, where a script could catch it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from weakref import ref

from skep.errors import SkepError
from skep.lua.boot import boot_code
from skep.lua.convert import BATCH, Flattener, rebuild
from skep.lua.limits import MESSAGE, Limits
from skep.lua.runner import HostFunction
from skep.values import clean_text
from skep.workers.cancel import CancelToken


class Owner(Protocol):
    """Whom a bridge refers to weakly."""

    functions: dict[int, HostFunction]
    runtime: Any


class Bridge:
    """The callbacks of one VM and the state of the call that it is in.

    Lua holds these functions, and no collector sees a cycle through Lua. So the bridge refers to its VM weakly, and
    host functions, which may refer to anything, are the VM's.
    """

    flattener: Flattener

    def __init__(
        self,
        limits: Limits,
        owner: Owner,
        find: Callable[[str], tuple[str, ...]],
        write: Callable[[str], object],
    ) -> None:
        self.deadline = math.inf
        self.cancel: CancelToken | None = None
        self.raised: BaseException | None = None
        self._limits = limits
        self._memory = limits.memory
        self._owner = ref(owner)
        self._find = find
        self._write = write
        self._arriving: list[Any] = []
        self._leaving: Iterator[tuple[Any, ...]] = iter(())

    def begin(self, wall: float, cancel: CancelToken | None) -> None:
        self.deadline = time.monotonic() + wall
        self.cancel = cancel
        self.raised = None
        self._arriving = []
        self._leaving = iter(())

    # -- called from Lua -----------------------------------------------------------------------

    def limited(self, on: bool) -> None:
        """A script runs from here: its memory is limited. Or: Python's own calls into Lua come next.

        One of those that found no memory would end the whole process.
        """
        owner = self._owner()
        if owner is not None:
            owner.runtime.set_max_memory(self._memory if on else 0)

    def ask(self, act: str, *args: Any) -> Any:
        """Any other act, by the name of its method."""
        return getattr(self, act)(*args)

    def part(self, name: str) -> bytes:
        """A part of the VM that it needs only now."""
        return boot_code()[1][name]

    def poll(self) -> str | None:
        """Why the script must end, if it must."""
        if self.cancel is not None and self.cancel.cancelled:
            return "cancelled"
        return "wall" if time.monotonic() > self.deadline else None

    def write(self, text: str) -> bool:
        """Print; `True` when that failed and the script must end."""
        try:
            self._write(text)
        except BaseException as error:  # noqa: BLE001 - raised again when the call has ended
            self.raised = error
        return self.raised is not None

    def find(self, name: str) -> tuple[str, ...]:
        """A module: `("found", source, place)`, `("absent", why)`, `("refused", why)` or `("raised",)`."""
        try:
            return self._find(name)
        except SkepError as error:
            return "refused", error_text(error)
        except BaseException as error:  # noqa: BLE001 - raised again when the call has ended
            self.raised = error
            return ("raised",)

    def send(self, *tokens: Any) -> None:
        """All batches of a value but the last."""
        self._arriving += tokens

    def call(self, number: int, *tokens: Any) -> tuple[Any, ...]:
        """Call a host function: `("error", text)`, `("raised",)`, or `("done" | "more", *tokens)`."""
        try:
            return self._call(number, tokens)
        except Exception as error:  # noqa: BLE001 - the script's pcall may match its text
            self._arriving = []
            return "error", error_text(error)
        except BaseException as error:  # noqa: BLE001 - raised again when the call has ended
            self.raised = error
            return ("raised",)

    def more(self) -> tuple[Any, ...]:
        """The next batch of a host function's result."""
        batch = next(self._leaving)
        return ("more" if len(batch) == BATCH else "done", *batch)

    def _call(self, number: int, tokens: tuple[Any, ...]) -> tuple[Any, ...]:
        if self._arriving:
            tokens = (*self._arriving, *tokens)
            self._arriving = []
        owner = self._owner()
        function = owner.functions.get(number) if owner is not None else None
        if function is None:
            return "error", "this host function belongs to a call that has ended"
        result = self.flattener.flatten(function(rebuild(tokens)), "the host function's result")
        if len(result) < BATCH:
            return ("done", *result)
        self._leaving = (tuple(result[at : at + BATCH]) for at in range(0, len(result) + 1, BATCH))
        return self.more()


def error_text(error: BaseException) -> str:
    """What a script sees of an exception: the plain message, so that it can be matched."""
    return clean_text(str(error) or type(error).__name__, MESSAGE)
