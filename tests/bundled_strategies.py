"""Bundled strategies with answers that tests wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from skep.lua.limits import Limits
from skep.strategy import Budget, Completed, Failed, NeedsResponse, Query, StrategyHost
from skep.strategy.answerers.base import reply_of
from skep.strategy.answerers.scripted import Scripted
from skep.strategy.outcomes import End
from skep.strategy.queries import Reply
from skep.testing.aio import run

Answers = Callable[[Query], str] | Mapping[str, str] | Sequence[str]


class Driven(Struct):
    """How a strategy ended, and what it asked on the way."""

    end: End
    asked: list[Query]
    pauses: int
    """Rounds of questions."""

    @property
    def result(self) -> Any:
        assert isinstance(self.end, Completed), self.end
        return self.end.result["result"]

    @property
    def error(self) -> str:
        """The first line of what it raised, without the runtime's mark."""
        assert isinstance(self.end, Failed), self.end
        return self.end.error.splitlines()[0].removeprefix("lua error: ")

    @property
    def prompts(self) -> list[str]:
        return [query.prompt for query in self.asked]


def drive(
    strategy: str,
    answers: Answers,
    *,
    calls: int | None = None,
    evict: bool = False,
    folders: Sequence[Path] = (),
    **ctx: Any,
) -> Driven:
    """Run a strategy to its end; `calls` is its budget, and with `evict` its VM is dropped at each question."""
    scripted = None if callable(answers) else Scripted(answers)
    budget = Budget(max_llm_calls=calls) if calls is not None else None
    asked: list[Query] = []
    pauses = 0

    async def reply(query: Query) -> Reply:
        asked.append(query)
        return await scripted(query) if scripted else reply_of(answers(query))

    async def go() -> End:
        nonlocal pauses
        async with StrategyHost(folders, limits=Limits(wall=5)) as host:
            session = await host.start(None, ctx, strategy=strategy, budget=budget)
            while isinstance(outcome := await session.next(), NeedsResponse):
                pauses += 1
                if evict:
                    await session.evict()
                await session.respond({query.id: await reply(query) for query in outcome.queries})
            return outcome

    return Driven(run(go()), asked, pauses)
