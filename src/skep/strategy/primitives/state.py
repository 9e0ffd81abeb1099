"""`alc.state`: what strategies keep between sessions (strategy runtime, 2.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from skep.strategy.primitives.recorded import Recorded
from skep.strategy.state import State

_LOOKS = ("get", "keys", "has")
_CHANGES = ("set", "delete", "set_nx", "incr")
STATE_CALLS = tuple(f"state.{name}" for name in (*_LOOKS, *_CHANGES))
DEFAULT_NAMESPACE = "default"


def namespace_of(ctx: Any) -> str:
    """The namespace that a `ctx` asks for: its `_ns`, if that is text."""
    chosen = cast("dict[str, Any]", ctx).get("_ns") if isinstance(ctx, dict) else None
    return chosen if isinstance(chosen, str) else DEFAULT_NAMESPACE


def state_calls(recorded: Recorded, home: Path, namespace: object) -> Mapping[str, Callable[..., Any]]:
    """`state.get set keys delete has set_nx incr`, by name. A namespace that is none fails at the first call."""

    def looking(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            def look() -> Any:
                return getattr(State(home, namespace), name)(*arguments)

            return recorded.look(f"state.{name}", [namespace, *arguments], look)

        return call

    def changing(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            state = State(home, namespace)
            prepare = partial(getattr(state, name), *arguments)
            return recorded.change(f"state.{name}", [namespace, *arguments], state.scope, prepare)

        return call

    return {f"state.{name}": looking(name) for name in _LOOKS} | {
        f"state.{name}": changing(name) for name in _CHANGES
    }
