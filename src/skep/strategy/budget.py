"""What a session may spend, looked at before each question (reference: strategy runtime, 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from msgspec import Struct, structs


class Budget(Struct, frozen=True, kw_only=True):
    """Limits of one session; `None` is no limit. Time is wall clock from the session's start."""

    max_llm_calls: int | None = None
    max_elapsed_ms: int | None = None
    max_tokens: int | None = None

    @property
    def is_set(self) -> bool:
        return any(limit is not None for limit in structs.astuple(self))

    def refusal(self, spent: Spent, calls: int = 1) -> str | None:
        """Why `calls` more questions may not be asked: the published text, which packages look for.

        A batch is looked at as a whole, so it cannot take more calls than are left.

        >>> Budget(max_llm_calls=2).refusal(Spent(llm_calls=2))
        'budget_exceeded: max_llm_calls (2) reached (2 used)'
        """
        limit = self.max_llm_calls
        if limit is not None and spent.llm_calls + calls > limit:
            return f"budget_exceeded: max_llm_calls ({limit}) reached ({spent.llm_calls} used)"
        limit = self.max_elapsed_ms
        if limit is not None and spent.elapsed_ms >= limit:
            return f"budget_exceeded: max_elapsed_ms ({limit}ms) reached ({spent.elapsed_ms}ms elapsed)"
        limit = self.max_tokens
        if limit is not None and spent.tokens >= limit:
            return f"budget_exceeded: max_tokens ({limit}) reached ({spent.tokens} used)"
        return None

    def remaining(self, spent: Spent) -> dict[str, int | None]:
        """What is left, as `alc.budget_remaining` gives it."""
        return {
            "llm_calls": _left(self.max_llm_calls, spent.llm_calls),
            "elapsed_ms": _left(self.max_elapsed_ms, spent.elapsed_ms),
            "tokens": _left(self.max_tokens, spent.tokens),
        }


class Spent(Struct, frozen=True, kw_only=True):
    """What a session has used so far."""

    llm_calls: int = 0
    elapsed_ms: int = 0
    tokens: int = 0


def read_budget(ctx: Any, given: Budget | None = None) -> Budget | None:
    """The limits in `ctx.budget` and `given`, the smaller of each; `None` when there are none.

    Only whole numbers from 0 count in `ctx.budget`; anything else there is no limit, as published.

    >>> read_budget({"budget": {"max_llm_calls": 8, "max_tokens": "many"}}, Budget(max_llm_calls=3))
    Budget(max_llm_calls=3, max_elapsed_ms=None, max_tokens=None)
    """
    limits = _object(_object(ctx).get("budget"))
    ours = structs.asdict(given) if given is not None else {}
    budget = Budget(**{name: _smaller(limits.get(name), ours.get(name)) for name in Budget.__struct_fields__})
    return budget if budget.is_set else None


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _smaller(written: Any, ours: int | None) -> int | None:
    usable = [limit for limit in (written, ours) if type(limit) is int and limit >= 0]
    return min(usable) if usable else None


def _left(limit: int | None, used: int) -> int | None:
    return max(limit - used, 0) if limit is not None else None
