"""Strategies: Lua scripts that reason, ask and wait (DESIGN section 10)."""

from __future__ import annotations

from skep.strategy.budget import Budget
from skep.strategy.host import StrategyHost
from skep.strategy.outcomes import Cancelled, Completed, Failed, NeedsResponse
from skep.strategy.queries import Answer, Error, Query, Usage
from skep.strategy.session import StrategySession

__all__ = [
    "Answer",
    "Budget",
    "Cancelled",
    "Completed",
    "Error",
    "Failed",
    "NeedsResponse",
    "Query",
    "StrategyHost",
    "StrategySession",
    "Usage",
]
