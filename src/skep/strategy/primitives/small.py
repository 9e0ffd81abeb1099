"""The small calls of one script: figures of its own, progress, what is left of the budget, the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from skep.errors import BadValue, LimitExceeded
from skep.strategy.budget import Budget
from skep.strategy.calls import Calls
from skep.strategy.metrics import Metrics, Progress

MAX_CUSTOM = 1_000
"""Figures that one session may record."""


def small_calls(
    calls: Calls, metrics: Metrics, budget: Budget | None, now: Callable[[], int]
) -> Mapping[str, Callable[..., Any]]:
    """`stats.record`, `stats.get`, `progress`, `budget_remaining` and `os.getenv`, by name."""

    def record(key: Any, value: Any = None) -> None:
        if type(key) is not str:
            raise BadValue("alc.stats.record: the key must be a string")
        if key not in metrics.custom and len(metrics.custom) >= MAX_CUSTOM:
            raise LimitExceeded("max_custom", MAX_CUSTOM, where="alc.stats.record")
        metrics.custom[key] = value

    def progress(step: Any, total: Any, message: Any = None) -> None:
        if type(step) is not int or type(total) is not int or min(step, total) < 0:
            raise BadValue("alc.progress: step and total must be whole numbers from 0")
        metrics.progress = Progress(step, total, message if type(message) is str else None)

    def remaining() -> dict[str, int | None] | None:
        if budget is None:
            return None
        return calls.reply("budget_remaining", None, partial(budget.remaining, metrics.spent(now())))

    def getenv(name: Any = None) -> str | None:
        if type(name) is not str:
            raise BadValue("os.getenv: the name must be a string")
        return calls.reply("os.getenv", [name], lambda: os.environ.get(name))

    return {
        "stats.record": record,
        "stats.get": metrics.custom.get,
        "progress": progress,
        "budget_remaining": remaining,
        "os.getenv": getenv,
    }
