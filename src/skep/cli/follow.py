"""Following a run from the start to the end, whoever watches: a terminal, a pipe or a machine."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any

from skep.cli import exits
from skep.cli.json_out import print_json
from skep.cli.questions import told_to
from skep.cli.reader import stdout_failed
from skep.cli.report import print_run, print_suspended
from skep.cli.view.audience import Audience, audience
from skep.terminal import is_interactive

if TYPE_CHECKING:
    from skep.cli.asking import Asking
    from skep.cli.bearer import Held
    from skep.cli.interrupts import Interrupts
    from skep.cli.strategy_answering import Answering
    from skep.engine.engine import Engine
    from skep.engine.runs.handle import RunHandle
    from skep.engine.runs.info import RunInfo
    from skep.flow.nodes import Node


class Following:
    """One run, its watcher, and who is asked its questions: `asking`, or whoever sits at the terminal."""

    def __init__(
        self,
        engine: Engine,
        handle: RunHandle,
        store: str | None,
        held: Held,
        *,
        wait: bool = False,
        asking: Answering | None = None,
    ) -> None:
        self._engine = engine
        self._handle = handle
        self._store = store
        self._held = held
        self._wait = wait
        self._over = asyncio.ensure_future(handle.wait())
        self._watcher: Audience | None = None
        self._asking: Asking | Answering | None = asking
        self._seen = 0

    async def follow(self, flow: Node, interrupts: Interrupts, *, as_json: bool, since: int = 0) -> int:
        """Show the run until it has ended, or nobody here can answer what it waits for; returns the exit code.

        Lines are written for what happened from `since` on (milliseconds since the epoch). With `as_json` all
        that is shown on the way goes to stderr, and only where that is a terminal; nothing is asked.
        """
        stream = sys.stderr if as_json else sys.stdout
        async with audience(flow, stream, since=since, only_terminal=as_json) as watcher:
            self._watcher = watcher
            if self._asking is None and watcher is not None and not as_json and is_interactive():
                from skep.cli.asking import Asking

                self._asking = Asking(
                    self._engine, self._handle.id, self._store, self._over, watcher, held=self._held
                )
            interrupts.attach(self._handle, watcher)
            info = await self._until_rest(as_json=as_json)
            if info.status == "suspended" and watcher is not None:
                async for item in self._engine.run_events(info.run_id, after=self._seen):
                    watcher.take(item)
                watcher.suspended()
        try:
            await self._tell(info, as_json=as_json)
        except OSError as error:
            stdout_failed(error)
        return exits.of_status(info.status)

    async def _until_rest(self, *, as_json: bool) -> RunInfo:
        """The run when it has ended, or is suspended with nobody here to ask."""
        pump = asyncio.ensure_future(self._pump()) if self._watcher or self._asking else None
        try:
            while not self._over.done():
                await self._news()
                if await self._put_all() or self._over.done() or (info := await self._suspended()) is None:
                    continue
                # What was asked while we looked is there now that all of it is recorded.
                if not await self._put_all() and not self._over.done():
                    if not self._wait:
                        return info
                    await self._outwait(info, as_json=as_json)
            info = await self._over
            if pump is not None:
                await pump
            return info
        finally:
            self._over.cancel()
            if pump is not None:
                await _end(pump)

    async def _put_all(self) -> bool:
        """Whether something was asked of whoever answers here, and has ended."""
        return self._asking is not None and await self._asking.put_all()

    async def _news(self) -> None:
        """Wait until the run has ended or is suspended, or there is somebody to be asked."""
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._handle.until_suspended())]
        if self._asking is not None:
            waiting.append(asyncio.ensure_future(self._asking.news.wait()))
        await asyncio.wait({self._over, *waiting}, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            await _end(one)

    async def _outwait(self, info: RunInfo, *, as_json: bool) -> None:
        """Say what a suspended run waits for, and wait until it has ended or there is somebody to be asked."""
        with contextlib.nullcontext() if self._watcher is None else self._watcher.paused():
            await self._tell_suspended(info, as_json=as_json)
        if self._asking is None:
            await asyncio.wait({self._over})
            return
        news = asyncio.ensure_future(self._asking.news.wait())
        await asyncio.wait({self._over, news}, return_when=asyncio.FIRST_COMPLETED)
        await _end(news)

    async def _suspended(self) -> RunInfo | None:
        """The run as it is recorded, if that is suspended."""
        await self._engine.ledger.flushed()
        info = await self._engine.get_run(self._handle.id)
        return info if info.status == "suspended" else None

    async def _pump(self) -> None:
        async for item in self._handle.events(streams=True):
            self._seen = item.get("version", self._seen)
            if self._watcher is not None:
                self._watcher.take(item)
            if self._asking is not None:
                self._asking.take(item)

    async def _tell(self, info: RunInfo, *, as_json: bool) -> None:
        if info.status == "suspended":
            await self._tell_suspended(info, as_json=as_json)
        if as_json:
            print_json(info.to_dict())
        elif info.status != "suspended":
            print_run(info)

    async def _tell_suspended(self, info: RunInfo, *, as_json: bool) -> None:
        found = await told_to(self._held, self._engine, info.run_id)
        stream = sys.stderr if as_json else sys.stdout
        signals = self._handle.awaited_signals()
        print_suspended(stream, info.run_id, found, signals, self._store, waits=self._wait)


async def _end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
