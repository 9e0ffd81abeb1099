"""The live tree: redrawn ten times a second while something changes or time passes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live

from skep.cli.reader import stdout_failed
from skep.cli.view.model import RunView
from skep.cli.view.outline import outline
from skep.cli.view.tree import Tree, status_line
from skep.flow.nodes import Node

FRAME = 0.1
"""Seconds between two drawings."""
MARGIN = 3
"""Lines of the terminal that the tree leaves free: the status line, the prompt, the line that was typed."""


class LiveTree:
    """Draws a run on a terminal until it is closed."""

    def __init__(self, flow: Node, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, stderr=stream is sys.stderr)
        self._unicode = self._console.encoding.startswith("utf")
        self._view = RunView()
        self._tree = Tree(outline(flow), unicode=self._unicode)
        self._live = self._new_live()
        self._hint = "Ctrl-C cancels"
        self._gone = False
        self._paused = False

    def take(self, item: dict[str, Any]) -> None:
        self._view.apply(item)

    def stopping(self) -> None:
        self._hint = "cancelling; Ctrl-C again stops hard"

    def suspended(self) -> None:
        self._view.status = "suspended"
        self._hint = ""

    @contextlib.contextmanager
    def paused(self) -> Generator[None]:
        self.close()
        self._paused = True
        try:
            yield
        finally:
            self._paused = False
            self._live = self._new_live()  # the old one would draw over what was written meanwhile
            self.open()

    def draw(self) -> None:
        """Draw the run as it stands; a terminal that has gone is drawn on no more, and the run goes on."""
        if not self._gone and not self._paused:
            try:
                self._draw()
            except OSError as error:
                self._give_up(error)

    def _draw(self) -> None:
        now = time.time_ns() // 1_000_000
        lines = self._tree.lines(self._view, now, max(1, self._console.height - MARGIN))
        hint = self._hint if self._view.finished is None else ""
        last = status_line(self._view, now, hint, unicode=self._unicode)
        self._live.update(Group(*lines, last), refresh=True)

    async def keep_drawing(self) -> None:
        while True:
            self.draw()
            await asyncio.sleep(FRAME)

    def _new_live(self) -> Live:
        return Live(console=self._console, auto_refresh=False)

    def open(self) -> None:
        try:
            self._live.start()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Leave the last state standing and give the terminal back."""
        self.draw()
        try:
            self._live.stop()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if not self._gone:
            self._gone = True
            if not self._console.stderr:
                stdout_failed(error)


@contextlib.asynccontextmanager
async def live_tree(flow: Node, stream: TextIO) -> AsyncGenerator[LiveTree, None]:
    """A `LiveTree` that draws itself while the block lasts."""
    tree = LiveTree(flow, stream)
    tree.open()
    drawing = asyncio.ensure_future(tree.keep_drawing())
    try:
        yield tree
    finally:
        drawing.cancel()
        await asyncio.wait([drawing])
        tree.close()
