"""The layers that every host has."""

from __future__ import annotations

from skep.layers import (
    after_run_audit,
    agent_context,
    audit,
    budget,
    concurrency,
    input_inject,
    long_hold,
    lua_hint,
    main_ai,
    operator_delegate,
    rate_limit,
    senior_escalation,
    sink,
)
from skep.layers.registry import LayerRegistry, always


def standard_layers() -> LayerRegistry:
    """The registry of a host that adds none of its own: no base layers, the shipped ones on request."""
    hooks = lua_hint.LuaHooks()
    return (
        LayerRegistry()
        .with_declared(agent_context.build)
        .with_declared(after_run_audit.build)
        .with_hint(audit.HINT, always(audit.Audit))
        .with_hint(main_ai.HINT, always(main_ai.MainAi))
        .with_hint(senior_escalation.HINT, always(senior_escalation.SeniorEscalation))
        .with_hint(operator_delegate.HINT, operator_delegate.build)
        .with_hint(long_hold.HINT, long_hold.build)
        .with_hint(sink.HINT, sink.build)
        .with_hint(input_inject.HINT, input_inject.build)
        .with_hint(concurrency.HINT, concurrency.Concurrency().factory)
        .with_hint(rate_limit.HINT, rate_limit.RateLimit().factory)
        .with_hint(budget.HINT, budget.Budget().factory)
        .with_hint(lua_hint.HINT, hooks.factory, close=hooks.close)
    )
