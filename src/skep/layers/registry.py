"""Which layers there are, and how a Blueprint's hints choose among them."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from skep.errors import BlueprintError, ConfigError
from skep.flow.catalog import HintInfo
from skep.flow.parts import LayerHint
from skep.flow.problems import did_you_mean
from skep.layers.base import Layer
from skep.layers.project_name_alias import ProjectNameAlias
from skep.layers.stack import Stack
from skep.workers.base import Spawner
from skep.workers.layer_env import LayerEnv

Factory = Callable[[Mapping[str, Any], LayerEnv], Layer]
"""`factory(options, env)` makes the layer around one agent; `HintInfo.check` has looked at the options before.

What several agents or runs share, such as a pool, the factory brings along.
"""

Declared = Callable[[LayerEnv], Layer | None]
"""`declared(env)` makes the layer that the Blueprint's own fields ask for around one agent, if they do."""

Close = Callable[[], Awaitable[object]]


class _Base(Struct, frozen=True):
    """A layer that is always there."""

    info: HintInfo
    factory: Factory
    options: Mapping[str, Any]


class LayerRegistry:
    """Base layers wrap every agent; hint layers those of Blueprints that list their key.

    A registry belongs to one engine, which closes it.
    """

    def __init__(self) -> None:
        self._declared: list[Declared] = []
        self._base: list[_Base] = []
        self._hints: dict[str, tuple[HintInfo, Factory]] = {}
        self._closes: list[Close] = []

    def with_base(
        self,
        info: HintInfo | str,
        factory: Factory,
        options: Mapping[str, Any] | None = None,
        *,
        close: Close | None = None,
    ) -> LayerRegistry:
        """Add a layer that is always applied; returns this registry. `close` is called with the engine's.

        Raises:
            ConfigError: the layer does not know these options.
        """
        info = _info(info)
        options = dict(options or {})
        for problem in [*info.check(options, info.key), *info.check_code(options, info.key)]:
            raise ConfigError(problem.message, where=problem.place, fix=problem.fix)
        self._base.append(_Base(info, factory, options))
        self._close_with(close)
        return self

    def with_hint(
        self, info: HintInfo | str, factory: Factory, *, close: Close | None = None
    ) -> LayerRegistry:
        """Add a layer that is applied on request; returns this registry. `close` is called with the engine's.

        Raises:
            ConfigError: the key is taken.
        """
        info = _info(info)
        if info.key in self._hints:
            raise ConfigError(
                f"layer {info.key!r} is registered twice", fix="give the second one another key"
            )
        self._hints[info.key] = (info, factory)
        self._close_with(close)
        return self

    def with_declared(self, declared: Declared) -> LayerRegistry:
        """Add a layer that is applied where a Blueprint's fields ask for it; returns this registry."""
        self._declared.append(declared)
        return self

    def hints(self) -> tuple[HintInfo, ...]:
        """Every hint, for a catalog."""
        return tuple(info for info, _ in self._hints.values())

    def base(self) -> tuple[HintInfo, ...]:
        """Every base layer in order of registration, for a catalog."""
        return tuple(layer.info for layer in self._base)

    def link(self, hints: Sequence[LayerHint], env: LayerEnv) -> Callable[[Spawner], Spawner]:
        """The layers around one agent, made once: declared and base ones as registered, then one for each hint.

        The last one is outermost, so a spawn passes: the project's alias, last hint ... first hint, last base
        layer ... first, last declared ... first, base. Without layers, a spawner stays itself.

        Raises:
            BlueprintError: a hint that nobody provides, or one listed twice.
        """
        layers = [layer for declared in self._declared if (layer := declared(env)) is not None]
        layers += [layer.factory(layer.options, env) for layer in self._base]
        for number, hint in enumerate(hints):
            layers.append(self._factory(hint.key, hints[:number])(hint.options, env))
        alias = env.blueprint.metadata.project_name_alias if env.blueprint is not None else None
        if alias is not None:
            layers.append(ProjectNameAlias(alias))

        def wrap(base: Spawner) -> Spawner:
            stack = Stack(base)
            for layer in layers:
                stack = stack.layer(layer)
            return stack if layers else base

        return wrap

    async def close(self) -> None:
        """End what layers share; the engine calls it when it has closed."""
        async with contextlib.AsyncExitStack() as closing:
            while self._closes:
                closing.push_async_callback(self._closes.pop(0))

    def _factory(self, key: str, before: Sequence[LayerHint]) -> Factory:
        known = self._hints.get(key)
        if known is None:
            raise BlueprintError(
                f"layer {key[:60]!r} is provided by nobody", fix=did_you_mean(key[:60], list(self._hints))
            )
        info, factory = known
        if not info.repeats and any(hint.key == key for hint in before):
            raise BlueprintError(f"layer {key!r} is listed twice", fix="list it once")
        return factory

    def _close_with(self, close: Close | None) -> None:
        if close is not None:
            self._closes.append(close)


def _info(info: HintInfo | str) -> HintInfo:
    return HintInfo(key=info) if isinstance(info, str) else info


def always(make: Callable[[], Layer]) -> Factory:
    """The factory of a layer that has no options."""

    def factory(_options: Mapping[str, Any], _env: LayerEnv) -> Layer:
        return make()

    return factory
