"""Following a run from the start to the end, whoever watches: a terminal, a pipe or a machine."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from skep.cli import exits
from skep.cli.interrupts import Interrupts
from skep.cli.json_out import print_json
from skep.cli.report import print_run
from skep.cli.view.audience import Audience, audience

if TYPE_CHECKING:
    from skep.engine.handle import RunHandle
    from skep.flow.nodes import Node


async def follow(handle: RunHandle, flow: Node, *, as_json: bool) -> int:
    """Show the run until it has ended, then say what came of it; returns the exit code.

    With `as_json` all that is shown on the way goes to stderr, and only where that is a terminal.
    """
    async with audience(flow, sys.stderr if as_json else sys.stdout, only_terminal=as_json) as watcher:
        with Interrupts(handle, watcher):
            pump = asyncio.ensure_future(_pump(handle, watcher)) if watcher is not None else None
            try:
                info = await handle.wait()
                if pump is not None:
                    await pump
            finally:
                if pump is not None:
                    await _end(pump)
    if as_json:
        print_json(info.to_dict())
    else:
        print_run(info)
    return exits.of_status(info.status)


async def _pump(handle: RunHandle, watcher: Audience) -> None:
    async for item in handle.events(streams=True):
        watcher.take(item)


async def _end(pump: asyncio.Future[None]) -> None:
    pump.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await pump
