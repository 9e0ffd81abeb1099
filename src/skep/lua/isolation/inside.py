"""What runs in a script's process: one call after another, each in a VM that no other call sees.

Whoever gets hold of this process has a socket to a host that believes nothing of what it is told, and nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from msgspec import Raw

from skep.errors import BadValue, LimitExceeded, LuaError
from skep.lua.isolation.entry import Wire, enter
from skep.lua.isolation.messages import (
    Ask,
    Done,
    Failed,
    Hook,
    Printed,
    Refusal,
    answer_of,
    encoded,
    request_of,
)
from skep.lua.limits import Limits
from skep.lua.runner import Script
from skep.lua.vm import LuaVM
from skep.values import decode, encode


def main() -> None:
    """Serve until the socket ends."""
    wire, limits = enter(_try_out)
    while True:
        call = _Call(wire, limits)
        _serve(call)
        call.vm.close()  # at once: the collector would let several pile up, against one limit on memory


class _HostFailed(Exception):
    """A host function raised: its text, which the script may match."""


class _Call:
    """One call and its VM, which is made before the call comes."""

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self.number = 0
        self.vm = LuaVM(limits, "untrusted", write=self._print)
        self._wire = wire
        self._asked = 0

    def perform(self) -> Any:
        """Wait for it; the value that its script gives."""
        request = request_of(self._wire.read())
        self.number = request.call
        if isinstance(request, Hook):
            script = Script(request.source, request.name, request.drops_result)
            return self.vm.hook(script, *decode(request.args))
        script = Script(request.source, request.name)
        host = {name: partial(self._ask, name) for name in request.host}
        return self.vm.run(script, decode(request.variables), host=host)

    def reply(self, message: Done | Failed) -> None:
        self._wire.write(encoded(message))

    def _ask(self, name: str, value: Any) -> Any:
        self._asked += 1
        self._wire.write(encoded(Ask(self.number, self._asked, name, Raw(encode(value)))))
        answer = answer_of(self._wire.read())
        if isinstance(answer, Refusal):
            raise _HostFailed(answer.message)
        return decode(answer.value)

    def _print(self, text: str) -> None:
        self._wire.write(encoded(Printed(self.number, text)))


def _try_out(limits: Limits) -> Limits:
    """Load whatever a VM loads when it is first used, while there are files."""
    vm = LuaVM(limits, "untrusted")
    vm.run(Script("return host.probe(x)"), {"x": [{}]}, host={"probe": lambda value: value})
    with suppress(LuaError):
        vm.hook(Script("error('probe')"))
    return limits


def _serve(call: _Call) -> None:
    try:
        value = call.perform()
        reply: Done | Failed = Done(call.number, Raw(encode(value)))
    except LimitExceeded as error:
        reply = Failed(call.number, "limit", where=error.where, limit=error.name, most=error.limit)
    except LuaError as error:
        reply = Failed(
            call.number, "lua", error.what, script=error.script, line=error.line, traceback=error.traceback
        )
    except BadValue as error:
        reply = Failed(call.number, "value", error.what, where=error.where)
    except MemoryError:
        reply = Failed(call.number, "limit", limit="memory", most=call.vm.limits.memory)
    call.reply(reply)
