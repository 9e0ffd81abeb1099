"""Which layers there are, and how a Blueprint's hints choose among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skep.errors import BlueprintError, ConfigError
from skep.flow.catalog import HintInfo
from skep.flow.problems import did_you_mean
from skep.layers.audit import Audit
from skep.layers.base import Layer
from skep.layers.stack import Stack
from skep.workers.base import Spawner

Factory = Callable[[], Layer]
"""Makes a layer for one Blueprint; what it needs of the host it brings along."""

PLANNED = ("main_ai", "senior_escalation", "operator_delegate")
"""Published hints that this version knows but cannot obey."""


class LayerRegistry:
    """Base layers wrap every agent; hint layers those of Blueprints that list their key."""

    def __init__(self) -> None:
        self._base: list[Factory] = []
        self._hints: dict[str, Factory] = {}

    def with_base(self, factory: Factory) -> LayerRegistry:
        """Add a layer that is always applied; returns this registry."""
        self._base.append(factory)
        return self

    def with_hint(self, key: str, factory: Factory) -> LayerRegistry:
        """Add a layer that is applied on request; returns this registry.

        Raises:
            ConfigError: the key is taken.
        """
        if key in self._hints or key in PLANNED:
            raise ConfigError(f"layer {key!r} is registered twice", fix="give the second one another key")
        self._hints[key] = factory
        return self

    def hints(self) -> tuple[HintInfo, ...]:
        """Every hint for a catalog; those not `ready` are known but cannot be obeyed yet."""
        ready = tuple(HintInfo(key=key) for key in self._hints)
        return ready + tuple(HintInfo(key=key, ready=False) for key in PLANNED)

    def link(self, base: Spawner, hints: Sequence[str] = ()) -> Spawner:
        """`base` in its layers: base layers in order of registration, then one for each hint in order.

        The last one is outermost, so a spawn passes: last hint ... first hint, last base layer ... first.

        Raises:
            BlueprintError: a hint that nobody provides, or one listed twice.
        """
        if not self._base and not hints:
            return base
        stack = Stack(base)
        for factory in self._base:
            stack = stack.layer(factory())
        for number, key in enumerate(hints):
            stack = stack.layer(self._factory(key, hints[:number])())
        return stack

    def _factory(self, key: str, before: Sequence[str]) -> Factory:
        if key in before:
            raise BlueprintError(f"layer {key!r} is listed twice", fix="list it once")
        factory = self._hints.get(key)
        if factory is None:
            what = "is planned, not built yet" if key in PLANNED else "is provided by nobody"
            raise BlueprintError(f"layer {key!r} {what}", fix=did_you_mean(key, list(self._hints)))
        return factory


def standard_layers() -> LayerRegistry:
    """The registry of a host that adds none of its own: `audit` on request."""
    return LayerRegistry().with_hint("audit", Audit)
