"""What a Blueprint says of an agent of kind `strategy`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from skep.flow.audience import AUDIENCE_PATTERN
from skep.flow.problems import Problem
from skep.flow.struct_reader import StructReader

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$", examples=["sc"])]
Audience = Annotated[str, Meta(pattern=AUDIENCE_PATTERN, examples=["senior", "seat:reviewer"])]
Whole = Annotated[int, Meta(ge=0)]


class StrategyBudget(Struct, frozen=True, kw_only=True):
    """What one attempt may ask for; of a limit that the step's input has too, the smaller counts."""

    max_llm_calls: Whole | None = None
    max_elapsed_ms: Whole | None = None
    max_tokens: Whole | None = None


class StrategySpec(Struct, frozen=True, kw_only=True):
    """Which strategy, and who answers it. Neither `strategy` nor `source`: the package of the agent's own name."""

    strategy: Name | None = None
    """A package: its `run(ctx)`."""
    source: Annotated[str, Meta(min_length=1, max_length=1_048_576)] | None = None
    """Lua in place; its `return` is the result."""
    paths: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Folders with packages, from the Blueprint's folder."""
    audience: tuple[Audience, ...] = ("senior",)
    """Who may answer its queries."""
    deadline: Annotated[float, Meta(gt=0)] | None = None
    """Seconds until a query without an answer fails."""
    budget: StrategyBudget | None = None


UNTRUSTED_KEYS = frozenset({"strategy", "audience", "deadline", "budget"})


def check_strategy_spec(spec: Any, place: str) -> list[Problem]:
    """Everything wrong with a `strategy` agent's spec.

    >>> [problem.code for problem in check_strategy_spec({"strategy": "../x"}, "agents[0].spec")]
    ['E-FIELD-FORM']
    """
    problems: list[Problem] = []
    read = StructReader(problems).struct(StrategySpec, spec if spec is not None else {}, place)
    if read is not None and not problems and read.strategy is not None and read.source is not None:
        problems.append(
            Problem(place, "E-FIELD-TWICE", "strategy and source both say what runs", "keep one of them")
        )
    return problems
