"""Opening the store that a command works on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from skep.cli import logs
from skep.config import default_store, open_home

if TYPE_CHECKING:
    from skep.engine.engine import Engine
    from skep.engine.runs.info import RunInfo


@asynccontextmanager
async def open_engine(url: str | None, *, works: bool = False) -> AsyncGenerator[Engine, None]:
    """An engine on the store `url`, by default the home's; nothing is recovered.

    One that `works` starts workers: this process becomes the subreaper of what they start, and what workers of
    a host that died have left is ended first.

    Raises:
        ConfigError: the home or the store cannot be used.
        SchemaTooNew, StoreCorrupt: see `skep.journal.base`.
    """
    from skep import host
    from skep.workers.process.tree.registry import sweep_leftovers_aside

    logs.to_stderr()
    if works:
        await sweep_leftovers_aside()
    home = open_home()
    address = default_store(home) if url is None else url
    async with host.Engine.open(address, recover="none", home=home, subreaper=works) as engine:
        yield engine


async def interrupted_runs(engine: Engine, token: str | None = None) -> list[RunInfo]:
    """Open runs whose owner is gone, newest first."""
    return [info for info in await engine.list_runs(token=token) if info.status == "interrupted"]
