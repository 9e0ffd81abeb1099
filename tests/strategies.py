"""What the tests of strategies share: a script run to its end by answers that a function gives."""

from __future__ import annotations

from typing import Any

from skep.lua.limits import Limits
from skep.strategy import Completed, Query, StrategyHost
from skep.testing.aio import run


async def echo(query: Query) -> str:
    return f"<{query.prompt}>"


def outcome(code: str | None, ctx: Any = None, *, answer: Any = echo, **options: Any) -> Any:
    """How `code` ends."""

    async def go() -> Any:
        async with StrategyHost(limits=Limits(wall=5)) as host:
            return await host.run(code, ctx, answer=answer, **options)

    return run(go())


def result(code: str | None, ctx: Any = None, **options: Any) -> Any:
    """What `code` returns."""
    end = outcome(code, ctx, **options)
    assert isinstance(end, Completed), end
    return end.result
