"""What a script may call in Python: `host.<name>` and `emit`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError
from typing import Any

from skep.errors import AttemptEnded, BadValue
from skep.limits import Limits
from skep.lua.runner import HostFunction
from skep.values import to_plain
from skep.workers.base import Ctx
from skep.workers.lua.emit import event_of
from skep.workers.on_loop import call_on

Bridge = Callable[[Any], Any]
"""Takes one JSON value and returns one, or a coroutine of one, or what has a JSON form."""

EMIT = "emit"


def host_functions(bridges: Mapping[str, Bridge], ctx: Ctx, limits: Limits) -> dict[str, HostFunction]:
    """The bridges for one attempt. Made on the event loop; called wherever the script runs.

    A coroutine is awaited on the event loop and cancelled with the attempt; a plain function is called in the
    script's own thread.
    """
    loop, home = asyncio.get_running_loop(), threading.get_ident()

    def emit(said: Any) -> None:
        event = event_of(said, limits)
        if threading.get_ident() == home:
            ctx.channel.emit(event)
        else:
            call_on(loop, ctx.channel.emit, event)

    def bound(name: str, bridge: Bridge) -> HostFunction:
        def call(value: Any) -> Any:
            returned = bridge(value)
            if inspect.iscoroutine(returned):
                _check_thread(returned, home, name)
                returned = _awaited(returned, loop, ctx)
            return to_plain(returned, where=f"host.{name}")

        return call

    return {EMIT: emit, **{name: bound(name, bridge) for name, bridge in bridges.items()}}


def _check_thread(coroutine: Coroutine[Any, Any, Any], home: int, name: str) -> None:
    if threading.get_ident() == home:
        coroutine.close()
        raise BadValue(
            f"host.{name} is async, and the script runs on the event loop",
            fix="run it in a thread, or make the function a plain one",
        )


def _awaited(coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop, ctx: Ctx) -> Any:
    waiting = asyncio.run_coroutine_threadsafe(coroutine, loop)

    def end(_reason: str) -> None:
        waiting.cancel()

    loop.call_soon_threadsafe(ctx.cancel_token.on_cancel, end)
    try:
        return waiting.result()
    except CancelledError:
        raise AttemptEnded("the attempt was cancelled while it waited") from None
