"""Calls of a script that look at a home or change it: recorded with their replies, refusals included."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from skep import values
from skep.errors import SkepError, StrategyError
from skep.strategy.calls import Calls, call_digest
from skep.strategy.effects import EffectLog, Prepare


class Recorded:
    """The calls of one script.

    Args:
        script: names the script and its record for ever: a change is known again by this and the number of its call.
    """

    def __init__(self, calls: Calls, effects: EffectLog, script: str) -> None:
        self._calls = calls
        self._effects = effects
        self._script = script

    def look(self, name: str, arguments: Any, do: Callable[[], Any]) -> Any:
        """The reply of a call that changes nothing. Raises `StrategyError`, as it did the first time."""
        return _told(self._calls.reply(name, arguments, partial(_tried, do)))

    def change(self, name: str, arguments: Any, scope: str, prepare: Prepare) -> Any:
        """The reply of a call whose change is made once. Raises `StrategyError`, as it did the first time."""
        place = f"{self._script}/{self._calls.made}/{name}/{call_digest(arguments)}"
        effect_id = values.digest(place.encode())[:32]

        def carry_out() -> Any:
            self._calls.settle()
            return _tried(partial(self._effects.once, scope, effect_id, prepare))

        told = self._calls.reply(name, arguments, carry_out)
        self._calls.once_durable(partial(self._effects.forget, effect_id))
        return _told(told)


def _tried(do: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": do()}
    except SkepError as error:
        return {"error": str(error)}


def _told(reply: dict[str, Any]) -> Any:
    if "error" in reply:
        raise StrategyError(reply["error"])
    return reply["value"]
