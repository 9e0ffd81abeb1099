"""What strategies keep between sessions, below one folder in the published layout."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skep.errors import SkepError, StrategyError
from skep.strategy.calls import Calls
from skep.strategy.cards.sinks import VARIABLE as SINKS
from skep.strategy.cards.sinks import Sinks
from skep.strategy.cards.store import Cards
from skep.strategy.effects import EffectLog
from skep.strategy.evals.store import Evals
from skep.strategy.logs import Logs
from skep.strategy.outcomes import End
from skep.strategy.primitives.cards import CARD_CALLS, card_calls
from skep.strategy.primitives.recorded import Recorded
from skep.strategy.primitives.state import STATE_CALLS, state_calls
from skep.strategy.scenarios import Scenarios
from skep.strategy.session import StrategySession

log = logging.getLogger("skep.strategy")

Primitives = Mapping[str, Callable[..., Any]]


class Home:
    """State, cards, logs, evals and scenarios of one home. Made when something is first kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.effects = EffectLog(path)
        self.effects.sweep()
        self.cards = Cards(path)
        self.sinks = Sinks(self.cards.folder, os.environ.get(SINKS))
        self.logs = Logs(path)
        self.evals = Evals(path)
        self.scenarios = Scenarios(path)

    @property
    def dirs(self) -> dict[str, str]:
        """`alc._dirs`."""
        return {name: str(self.path / name) for name in ("state", "cards", "scenarios")}

    def primitives(self, calls: Calls, script: str, namespace: object, now: Callable[[], int]) -> Primitives:
        """`state.*` and `card.*` for one script.

        Args:
            calls: of this script.
            script: names the script and its record, also when another process takes it up.
            namespace: of its state.
            now: milliseconds since the epoch.
        """
        recorded = Recorded(calls, self.effects, script)
        return {
            **state_calls(recorded, self.path, namespace),
            **card_calls(recorded, self.cards, self.sinks, now),
        }

    async def closing(self, session: StrategySession, end: End) -> None:
        """Keep the transcript; a failure is a warning of the session, and nothing else."""
        auto = end.stats["auto"]
        try:
            await asyncio.to_thread(self.logs.write, session.id, session.strategy, session.metrics, auto)
        except SkepError as error:
            session.transcript_warning = str(error)
            log.warning("%s has no transcript: %s", session.id, error)


def homeless() -> Primitives:
    """The same names for a script that has no home: each says so."""

    def refuse(*_: Any) -> None:
        raise StrategyError("there is no home in which to keep or find that", fix="give the host a `home`")

    return dict.fromkeys((*STATE_CALLS, *CARD_CALLS), refuse)
