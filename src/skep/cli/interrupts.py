"""Ctrl-C and SIGTERM: the first cancels the run and waits for its workers, the second stops hard."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from types import TracebackType
from typing import TYPE_CHECKING

from skep.cli import exits
from skep.cli.processes import kill_descendants

if TYPE_CHECKING:
    from skep.cli.view.audience import Audience
    from skep.engine.handle import RunHandle

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = "\x1b[?25h"


class Interrupts:
    """While the block lasts, signals mean the run and not the program."""

    def __init__(self, handle: RunHandle, watcher: Audience | None) -> None:
        self._handle = handle
        self._watcher = watcher
        self._cancelling: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def _signalled(self) -> None:
        if self._cancelling is not None:
            self._stop_hard()
        if self._watcher is not None:
            self._watcher.stopping()
        self._cancelling = asyncio.get_running_loop().create_task(self._cancel())

    async def _cancel(self) -> None:
        """Its end is reported by whoever follows the run, failures included."""
        await asyncio.wait([asyncio.ensure_future(self._handle.cancel())])

    def _stop_hard(self) -> None:
        kill_descendants()
        if sys.stdout.isatty():
            sys.stdout.write(f"{_SHOW_CURSOR}\n")
        sys.stderr.write(f"skep: stopped hard; what is left ends with: skep resume {self._handle.id}\n")
        sys.stdout.flush()
        os._exit(exits.CANCELLED)
