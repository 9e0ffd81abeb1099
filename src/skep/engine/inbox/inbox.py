"""What other processes ask of the runs that we own (DESIGN section 7, the store's inbox)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from skep import values
from skep.engine.inbox import questions as question_inbox
from skep.engine.inbox.elsewhere import request_of
from skep.engine.inbox.pump import Pump
from skep.engine.runs import steer
from skep.engine.runs.info import ENDED
from skep.errors import Fenced, JournalFailed, SkepError

if TYPE_CHECKING:
    from skep.engine.engine import Engine
    from skep.engine.runs.run import RunDriver
    from skep.journal.base import InboxMessage

log = logging.getLogger("skep.engine")


class InboxPump:
    """Reads the inbox of the logs of our runs, while there are any."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pump = Pump(engine.ledger, self._ours, self._take)

    def start(self) -> None:
        """Begin, unless it is going on."""
        self._pump.start()

    async def stop(self) -> None:
        """End it, however it fares."""
        await self._pump.stop()

    async def take(self) -> None:
        """Read the inbox now, and act on it."""
        try:
            await self._pump.look()
        except SkepError as error:
            self._pump.failed("the inbox cannot be read", error)

    async def waiting(self, log: str) -> list[InboxMessage]:
        """What was left for the next owner of a log."""
        return await self._engine.journal.receive([log])

    def act_on(self, driver: RunDriver, messages: Sequence[InboxMessage]) -> None:
        """Act on what was left for a run before anything in it goes on; `take` settles it afterwards."""
        for message in messages:
            self._act(driver, message)

    def _ours(self) -> set[str]:
        return {driver.log for driver in self._engine.drivers.values()}

    async def _take(self, logs: set[str]) -> None:
        engine = self._engine
        acted: list[tuple[InboxMessage, RunDriver]] = []
        settled: list[int] = []
        for message in await engine.journal.receive(sorted(logs)):
            driver = engine.drivers.get(_run_id(message))
            if driver is None:
                settled += await self._drop_if_ended(message)
            elif self._act(driver, message):
                acted.append((message, driver))
        if acted:
            # Fenced says that the last append of all was lost; what went before is durable.
            with contextlib.suppress(Fenced):
                await engine.ledger.flushed()
            settled += [message.id for message, driver in acted if not _has_failed(driver)]
        if settled:
            await engine.journal.settle_inbox(settled)
        for message, driver in acted:
            driver.carried_out.discard(request_of(message))
        await engine.launchers.look()

    async def _drop_if_ended(self, message: InboxMessage) -> list[int]:
        """A message to a run that is open, but no longer ours, is left to its next owner."""
        row = await self._engine.journal.get_run(_run_id(message))
        if row is not None and row.status not in ENDED:
            return []
        self._drop(message, "came after the run had ended")
        return [message.id]

    def _act(self, driver: RunDriver, message: InboxMessage) -> bool:
        """Do what a message asks; whether it was dealt with."""
        act = _ACTS.get(str(message.body.get("kind")))
        if act is None:
            self._drop(message, "is of no known kind")
            return True
        if request_of(message) in driver.carried_out:
            return True
        try:
            act(self._engine, driver, message.body)
        except (JournalFailed, Fenced) as error:
            self._pump.failed(f"message {message.id} to {message.log} could not be carried out", error)
            return False
        except (SkepError, KeyError, TypeError, ValueError) as error:
            self._drop(message, f"was refused ({error})")
        driver.carried_out.add(request_of(message))
        return True

    def _drop(self, message: InboxMessage, why: str) -> None:
        self._engine.ledger.counters["inbox_dropped"] += 1
        log.warning("message %d to %s %s and was dropped", message.id, message.log, why)


def _run_id(message: InboxMessage) -> str:
    return message.log.removeprefix("run:")


def _has_failed(driver: RunDriver) -> bool:
    """What was asked of it may not be durable: its next owner is asked again."""
    finished = driver.finished
    return finished.done() and not finished.cancelled() and finished.exception() is not None


def _cancel(_engine: Engine, driver: RunDriver, body: dict[str, Any]) -> None:
    driver.cancel(str(body.get("reason", "cancelled"))[:200], body.get("request"))


def _signal(engine: Engine, driver: RunDriver, body: dict[str, Any]) -> None:
    data = values.encode(body["value"], engine.limits, where="signal")
    driver.signal(str(body["name"]), data, str(body["by"]["principal"]), str(body["request"]))


def _of_question(act: question_inbox.QuestionAct) -> Callable[[Engine, RunDriver, dict[str, Any]], None]:
    return lambda engine, _driver, body: act(engine.questions, body)


_ACTS: dict[str, Callable[[Engine, RunDriver, dict[str, Any]], None]] = {
    "cancel": _cancel,
    "signal": _signal,
    **steer.ACTS,
    **{kind: _of_question(act) for kind, act in question_inbox.ACTS.items()},
}
