"""Bundled strategies with answers that tests wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from skep.lua.limits import Limits
from skep.strategy import Budget, Completed, Failed, NeedsResponse, Query, StrategyHost
from skep.strategy.answerers.scripted import Scripted
from skep.strategy.outcomes import End
from skep.testing.aio import run

Answers = Callable[[Query], str] | Mapping[str, str] | Sequence[str]


class Driven(Struct):
    """How a strategy ended, and what it asked on the way."""

    end: End
    asked: list[Query]

    @property
    def result(self) -> Any:
        assert isinstance(self.end, Completed), self.end
        return self.end.result["result"]

    @property
    def error(self) -> str:
        assert isinstance(self.end, Failed), self.end
        return self.end.error

    @property
    def prompts(self) -> list[str]:
        return [query.prompt for query in self.asked]

    @property
    def pauses(self) -> int:
        return self.end.stats["auto"]["pauses"]


def drive(
    strategy: str,
    answers: Answers,
    *,
    calls: int | None = None,
    evict: bool = False,
    **ctx: Any,
) -> Driven:
    """Run a strategy to its end; `calls` is its budget, and with `evict` its VM is dropped before each answer."""
    answer = answers if callable(answers) else Scripted(answers)
    budget = Budget(max_llm_calls=calls) if calls is not None else None
    asked: list[Query] = []

    async def reply(query: Query) -> Any:
        asked.append(query)
        given = answer(query)
        return given if isinstance(given, str) else await given

    async def go() -> End:
        async with StrategyHost(limits=Limits(wall=5)) as host:
            session = await host.start(None, ctx, strategy=strategy, budget=budget)
            while isinstance(outcome := await session.next(), NeedsResponse):
                if evict:
                    await session.evict()
                for query in outcome.queries:
                    await session.respond({query.id: await reply(query)})
            return outcome

    return Driven(run(go()), asked)
