"""Who watches a run: a terminal sees a live tree, a pipe plain lines, a machine nothing until the end."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from skep.flow.nodes import Node


class Audience(Protocol):
    """Takes a run's items as they come."""

    def take(self, item: dict[str, Any]) -> None: ...

    def stopping(self) -> None:
        """Ctrl-C was taken: say that the workers are being ended."""
        ...

    def suspended(self) -> None:
        """Nobody here follows the run any longer: what is left of it waits for somebody outside."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """While the block lasts the terminal is somebody else's."""
        ...


@asynccontextmanager
async def audience(
    flow: Node, stream: TextIO, *, since: int, only_terminal: bool
) -> AsyncGenerator[Audience | None, None]:
    """The audience behind `stream`; `None` when nobody is to be shown anything."""
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        from skep.cli.view.live import live_tree

        async with live_tree(flow, stream) as tree:
            yield tree
    elif only_terminal:
        yield None
    else:
        from skep.cli.view.plain import Lines

        yield Lines(stream, since)
