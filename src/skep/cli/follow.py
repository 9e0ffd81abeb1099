"""Following a run from the start to the end, whoever watches: a terminal, a pipe or a machine."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from skep.cli import exits
from skep.cli.json_out import print_json
from skep.cli.reader import stdout_failed
from skep.cli.report import print_run
from skep.cli.view.audience import Audience, audience

if TYPE_CHECKING:
    from skep.cli.interrupts import Interrupts
    from skep.engine.handle import RunHandle
    from skep.flow.nodes import Node


async def follow(
    handle: RunHandle, flow: Node, interrupts: Interrupts, *, as_json: bool, since: int = 0
) -> int:
    """Show the run until it has ended, then say what came of it; returns the exit code.

    Lines are written for what happened from `since` on (milliseconds since the epoch). With `as_json` all
    that is shown on the way goes to stderr, and only where that is a terminal.
    """
    stream = sys.stderr if as_json else sys.stdout
    async with audience(flow, stream, since=since, only_terminal=as_json) as watcher:
        interrupts.attach(handle, watcher)
        pump = asyncio.ensure_future(_pump(handle, watcher)) if watcher is not None else None
        try:
            info = await handle.wait()
            if pump is not None:
                await pump
        finally:
            if pump is not None:
                await _end(pump)
    try:
        print_json(info.to_dict()) if as_json else print_run(info)
    except OSError as error:
        stdout_failed(error)
    return exits.of_status(info.status)


async def _pump(handle: RunHandle, watcher: Audience) -> None:
    async for item in handle.events(streams=True):
        watcher.take(item)


async def _end(pump: asyncio.Future[None]) -> None:
    pump.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await pump
