"""What `start` and `resume_run` give back: a hold on one run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from skep.engine.reading.reading import run_events
from skep.engine.runs.info import RunInfo
from skep.errors import RunFailed
from skep.flow.inputs import SignalWant

if TYPE_CHECKING:
    from skep.engine.acts.runs import RunActs
    from skep.engine.runs.run import RunDriver


class RunHandle:
    """A run that this engine owns."""

    def __init__(self, engine: RunActs, driver: RunDriver) -> None:
        self.id = driver.run_id
        self._engine = engine
        self._driver = driver

    async def wait(self) -> RunInfo:
        """How the run ended, once that is durable.

        Raises:
            JournalFailed: the store failed and the engine has stopped.
            Fenced: another process has taken the run over.
        """
        return await asyncio.shield(self._driver.finished)

    async def until_suspended(self) -> bool:
        """Wait until the run has ended (false), or all that is left of it waits for somebody outside (true).

        What it waits for is durable then: other processes see it.

        Raises:
            JournalFailed, Fenced: the store failed, or another process has taken the run over.
        """
        await self._driver.until_suspended()
        if not self._driver.finished.done():
            await self._engine.ledger.flushed()
        return not self._driver.finished.done()

    def awaited_signals(self) -> list[str]:
        """The names of the signals that the flow waits for now."""
        machine = self._driver.machine
        wants = [machine.want(key) for key in self._driver.outside.signals]
        return sorted({want.name for want in wants if isinstance(want, SignalWant)})

    async def result(self) -> Any:
        """The final ctx of a run that ended `done`.

        Raises:
            RunFailed: it ended otherwise; `status` and `error` say how.
        """
        info = await self.wait()
        if info.status != "done":
            raise RunFailed(info.run_id, info.status, info.error)
        return info.result

    async def cancel(self, reason: str = "cancelled") -> RunInfo:
        """Ask the run to end and wait until its workers have ended."""
        self._driver.cancel(reason)
        return await self.wait()

    def events(self, *, after: int = 0, streams: bool = False) -> AsyncIterator[dict[str, Any]]:
        """The run's events from version `after` on, as they become durable, until it has ended.

        With `streams` also live `progress` and `partial` items, which have no version.
        """
        return run_events(
            self._engine.journal,
            self._engine.subscriptions,
            self.id,
            after=after,
            follow=True,
            streams=streams,
        )
