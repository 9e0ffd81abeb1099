"""What other processes ask of the runs that we own (DESIGN section 7, the store's inbox)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from skep import values
from skep.engine import steer, work_inbox
from skep.engine.elsewhere import answerer_from, request_of
from skep.engine.info import ENDED
from skep.errors import Fenced, JournalFailed, SkepError

if TYPE_CHECKING:
    from skep.engine.engine import Engine
    from skep.engine.run import RunDriver
    from skep.journal.base import InboxMessage

log = logging.getLogger("skep.engine")

POLL_SECONDS = 0.2
"""How often the store is asked whether another process wrote; only while a run of ours is open."""
LONGEST_PAUSE = 10.0
"""Seconds between two attempts when the inbox cannot be read; it begins with `POLL_SECONDS` and doubles."""


class InboxPump:
    """Reads the inbox of our logs whenever the store has been written to, or our logs are others than before."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._task: asyncio.Task[None] | None = None
        self._taking = asyncio.Lock()
        self._looked: set[str] = set()
        """The logs that were ours at the last look: one that has ended since may have messages left."""

    def start(self) -> None:
        """Begin, unless it is going on."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._pump())

    async def stop(self) -> None:
        """End it, however it fares."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _pump(self) -> None:
        watch = self._engine.journal.watch()
        pause, due = POLL_SECONDS, False
        while self._engine.drivers or self._looked:
            try:
                # What was seen to change is owed until it has been read.
                due = await watch.changed() or due or self._ours() != self._looked
                if due:
                    await self._take_all()
                    await self._engine.launchers.look()
                pause, due = POLL_SECONDS, False
            except Exception as error:  # noqa: BLE001 - whatever it is, later messages must not be lost to it
                pause, due = min(2 * pause, LONGEST_PAUSE), True
                self._failed(f"the inbox cannot be read, again in {pause:.1f} s", error)
            await asyncio.sleep(pause)

    async def take(self) -> None:
        """Read the inbox now, and act on it."""
        try:
            await self._take_all()
        except SkepError as error:
            self._failed("the inbox cannot be read", error)

    async def waiting(self, log: str) -> list[InboxMessage]:
        """What was left for the next owner of a log."""
        return await self._engine.journal.receive([log])

    def act_on(self, driver: RunDriver, messages: Sequence[InboxMessage]) -> None:
        """Act on what was left for a run before anything in it goes on; `take` settles it afterwards."""
        for message in messages:
            self._act(driver, message)

    def _ours(self) -> set[str]:
        return {driver.log for driver in self._engine.drivers.values()}

    async def _take_all(self) -> None:
        async with self._taking:  # a message that is acted on is there until that is durable: to be seen once
            await self._take_each()

    async def _take_each(self) -> None:
        engine, ours = self._engine, self._ours()
        acted: list[tuple[InboxMessage, RunDriver]] = []
        settled: list[int] = []
        for message in await engine.journal.receive(sorted(ours | self._looked)):
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
        self._looked = ours

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
            self._failed(f"message {message.id} to {message.log} could not be carried out", error)
            return False
        except (SkepError, KeyError, TypeError, ValueError) as error:
            self._drop(message, f"was refused ({error})")
        driver.carried_out.add(request_of(message))
        return True

    def _drop(self, message: InboxMessage, why: str) -> None:
        self._engine.ledger.counters["inbox_dropped"] += 1
        log.warning("message %d to %s %s and was dropped", message.id, message.log, why)

    def _failed(self, what: str, error: Exception) -> None:
        self._engine.ledger.counters["inbox_errors"] += 1
        log.error("%s: %s", what, error, exc_info=None if isinstance(error, SkepError) else error)


def _run_id(message: InboxMessage) -> str:
    return message.log.removeprefix("run:")


def _has_failed(driver: RunDriver) -> bool:
    """What was asked of it may not be durable: its next owner is asked again."""
    finished = driver.finished
    return finished.done() and not finished.cancelled() and finished.exception() is not None


def _cancel(_engine: Engine, driver: RunDriver, body: dict[str, Any]) -> None:
    driver.cancel(str(body.get("reason", "cancelled"))[:200], body.get("request"))


def _answer(engine: Engine, _driver: RunDriver, body: dict[str, Any]) -> None:
    who = answerer_from(body["by"])
    engine.questions.answer(str(body["key"]), body["value"], who, str(body["request"]))


def _signal(engine: Engine, driver: RunDriver, body: dict[str, Any]) -> None:
    data = values.encode(body["value"], engine.limits, where="signal")
    driver.signal(str(body["name"]), data, str(body["by"]["principal"]), str(body["request"]))


def _of_work(act: work_inbox.WorkAct) -> Callable[[Engine, RunDriver, dict[str, Any]], None]:
    return lambda engine, _driver, body: act(engine.questions, body)


_ACTS: dict[str, Callable[[Engine, RunDriver, dict[str, Any]], None]] = {
    "cancel": _cancel,
    "answer": _answer,
    "signal": _signal,
    **steer.ACTS,
    **{kind: _of_work(act) for kind, act in work_inbox.ACTS.items()},
}
