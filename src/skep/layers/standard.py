"""The layers that every host has."""

from __future__ import annotations

from skep.layers import audit, concurrency, rate_limit
from skep.layers.registry import LayerRegistry, always


def standard_layers() -> LayerRegistry:
    """The registry of a host that adds none of its own: no base layers, the shipped ones on request."""
    return (
        LayerRegistry()
        .with_hint(audit.HINT, always(audit.Audit))
        .with_hint(concurrency.HINT, concurrency.Concurrency().factory)
        .with_hint(rate_limit.HINT, rate_limit.RateLimit().factory)
    )
