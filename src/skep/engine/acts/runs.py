"""The acts on runs: start, take up, end, read (DESIGN section 5, *Engine API*); a base of `Engine`.

Each takes the bearer as `token`; without one it is the owner of the process who acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from skep import values
from skep.core import events as ev
from skep.core.authority import ACTS, check_scopes, facts_of, permits
from skep.core.outputs import ContentRef
from skep.core.session_events import OperatorKind
from skep.engine.acts.guarded import Guarded
from skep.engine.inbox.elsewhere import Delivered, Elsewhere
from skep.engine.reading.reading import find_run, read_run, run_events
from skep.engine.reading.subscriptions import CHECK_SECONDS
from skep.engine.runs.handle import RunHandle
from skep.engine.runs.info import ENDED, RunInfo
from skep.engine.runs.launch import Authority, authority_of, first_ctx, operator_choice
from skep.engine.runs.launchers import Launchers, refusal
from skep.engine.runs.plan import Plan
from skep.engine.runs.recovery import recover
from skep.engine.runs.run import RunDriver
from skep.errors import (
    EngineError,
    InvalidTransition,
    JournalFailed,
    LimitExceeded,
    SkepError,
    TokenRevoked,
)
from skep.flow.blueprint import Blueprint
from skep.flow.load import Loaded
from skep.ids import new_id
from skep.limits import Limits
from skep.workers.base import BuildEnv

if TYPE_CHECKING:
    from skep.core.tokens import TokenRecord
    from skep.engine.inbox.inbox import InboxPump
    from skep.engine.questions.questions import Questions
    from skep.engine.reading.subscriptions import Check, Subscription, Subscriptions
    from skep.engine.tokens.office import Bearer
    from skep.journal.base import Journal, Recorded, RunSummary

log = logging.getLogger("skep.engine")

MAX_TIMEOUT = 10 * 365 * 24 * 3600.0
"""Seconds that a run may be given."""
MAX_RUNS = 10_000
"""Runs of one list."""
MAX_EVENTS = 5_000
"""Events of one page."""
RECOVERED = 1_000
"""Interrupted runs that are listed at once."""


class RunActs(Guarded):
    """Runs as methods."""

    journal: Journal
    subscriptions: Subscriptions
    elsewhere: Elsewhere
    launchers: Launchers
    questions: Questions
    unrecovered: dict[str, SkepError]
    _recovering: asyncio.Lock
    inbox: InboxPump
    _open: bool

    async def start(
        self,
        blueprint: Blueprint | Loaded,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the field's word
        *,
        work_dir: str | Path | None = None,
        durability: ev.Durability = "group",
        timeout: float | None = None,  # noqa: ASYNC109 - recorded as the run's deadline
        trusted: bool = True,
        operator_kind: OperatorKind | None = None,
        operator_kind_overrides: Mapping[str, OperatorKind] | None = None,
        bridge_id: str | None = None,
        hook_id: str | None = None,
        operator_backend_id: str | None = None,
        token: Bearer | None = None,
    ) -> RunHandle:
        """Start a run; returns when its start is durable.

        Args:
            blueprint: what to run; a `Loaded` one knows its folder.
            input: the first ctx, over the Blueprint's `default_init_ctx`.
            work_dir: where its workers work, by default the current directory.
            durability: `group` lets in-process steps run ahead of the journal by `max_ahead`, `step` never.
            timeout: seconds until the whole run is ended as `timeout`.
            trusted: whether the Blueprint may name programs and code (R-trust).
            operator_kind: who decides for its agents, over what the Blueprint says; `automate` counts too.
            operator_kind_overrides: the same for single agents; it counts most.
            bridge_id: the senior bridge of its agents, by the id that it is registered under.
            hook_id: their spawn hook, likewise.
            operator_backend_id: the operator that does their work, likewise.
            token: who launches, if not the owner. The run has a token of its own, narrowed from this one, that
                ends with the run, or when this one is revoked; not when this one expires or is detached.

        Raises:
            AuthorityError: the token does not allow it.
            BlueprintError, KindNotYet: it cannot be run; nothing was recorded.
            BadValue, LimitExceeded: the input, or another argument, cannot be recorded.
            JournalFailed: the store has failed.
        """
        await self.admit(token, "start")
        where = os.path.realpath(values.check_text(str(work_dir or "."), "work_dir"))  # noqa: ASYNC240 - one look
        env = _surroundings(blueprint, where, self.limits, trusted=trusted)
        deadline = _deadline(timeout, self.ledger.now())
        plan = self.planner.plan(blueprint, env)
        operator = operator_choice(
            plan.routes,
            kind=operator_kind,
            overrides=operator_kind_overrides,
            bridge_id=bridge_id,
            hook_id=hook_id,
            backend_id=operator_backend_id,
        )
        data = values.encode(first_ctx(plan.blueprint, input), self.limits, where="input")
        run_id = new_id("run-")
        authority, content = await self._take_in(run_id, plan, data, token)
        started = ev.RunStarted(
            at=self.ledger.now(),
            run_id=run_id,
            blueprint=plan.version,
            blueprint_id=plan.blueprint.id,
            input=content,
            work_dir=where,
            blueprint_dir=env.blueprint_dir,
            trust="trusted" if trusted else "untrusted",
            durability=durability,
            deadline=deadline,
            operator=operator,
            **structs.asdict(authority),
        )
        driver = RunDriver(self.dispatcher, started, plan)
        self.adopt(driver)
        driver.start(started)
        await asyncio.shield(self.background.run(driver.launch()))
        return RunHandle(self, driver)

    async def _take_in(
        self, run_id: str, plan: Plan, data: bytes, token: Bearer | None
    ) -> tuple[Authority, ContentRef]:
        """Make room for a run and own its log: whose authority it has, and where its input is."""
        name = f"run:{run_id}"
        await self._until_there_is_room()
        await self.journal.acquire(name)
        try:
            authority = authority_of(self.dispatcher.tokens, token)
            self.journal.stage_blob(plan.document, log=name)
            return authority, self.ledger.store(data, name, run_id, "input")
        except SkepError:
            await self.journal.release(name)
            raise

    async def resume_run(self, run_id: str, *, token: Bearer | None = None) -> RunHandle:
        """Take up an interrupted run; a run that this engine already owns is given back as it is.

        Raises:
            AuthorityError: the token does not allow it.
            RunNotFound: no run, or several, with this beginning of an id.
            InvalidTransition: the run has ended.
            RunOwned: another live process works on it.
            TokenRevoked: the token that launched it was revoked meanwhile; the run is cancelled.
            BlueprintError, KindNotYet, ReplayDiverged: it cannot go on here.
        """
        async with self._recovering:
            row = await self._find(token, "resume_run", run_id)
            driver = self.drivers.get(row.run_id)
            if driver is None:
                if row.status in ENDED:
                    what = f"run {row.run_id} has ended: {row.status}"
                    raise InvalidTransition(what, fix="only an interrupted run goes on; start a new one")
                driver = await recover(self, row.run_id)
                self.unrecovered.pop(row.run_id, None)
                if driver.revoked:
                    await self.ledger.flushed()
                    raise refusal(row.run_id)
                await self.inbox.take()
        await self.ledger.flushed()
        return RunHandle(self, driver)

    async def cancel_run(self, token: Bearer | None, run_id: str, reason: str = "cancelled") -> Delivered:
        """Ask any open run of the store to end; returns when that is recorded, or left for its next owner.

        Raises:
            RunNotFound, InvalidTransition: there is no such run, or it has ended.
        """
        await self.admit(token, "cancel_run", run=run_id)
        values.check_text(reason, "reason", 200)
        driver = self.drivers.get(run_id)
        if driver is None:
            return await self.elsewhere.send(run_id, {"kind": "cancel", "reason": reason})
        driver.cancel(reason)
        await self.ledger.flushed()
        return Delivered(driver.log, acted=True)

    async def recover_all(self, *, token: Bearer | None = None) -> None:
        """Take up every open run whose owner is gone; what cannot be taken up is logged and kept in `unrecovered`.

        What was asked in a session whose owner is gone is closed.
        """
        await self.admit(token, "recover_all")
        await self.dispatcher.tokens.logs.clear_all()
        tried: set[str] = set()
        while rows := await self._interrupted(tried):
            for row in rows:
                tried.add(row.run_id)
                await self._try_to_resume(row.run_id)

    async def get_run(self, run_id: str, *, token: Bearer | None = None) -> RunInfo:
        """What is durably known of a run; the id may be cut short as long as it is the only one.

        Raises:
            AuthorityError: the token does not allow it.
            RunNotFound: no run, or several.
        """
        return await read_run(self.journal, await self._find(token, "get_run", run_id))

    async def list_runs(
        self, *, limit: int = 100, prefix: str = "", token: Bearer | None = None
    ) -> list[RunInfo]:
        """Runs of the store that the bearer may read, newest first, without their results; up to 10,000.

        Raises:
            LimitExceeded: more, or less than one.
        """
        _check_limit(limit, MAX_RUNS, "list_runs")
        record = await self.admit(token, "list_runs")
        rows = await self._rows(record, limit, prefix)
        return [RunInfo.from_summary(row) for row in rows]

    def run_events(
        self,
        run_id: str,
        *,
        after: int = 0,
        follow: bool = False,
        streams: bool = False,
        token: Bearer | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """The events of any run in the store, by its whole id; `follow` waits for more until it has ended.

        What the token does not allow is raised when the first event is asked for, and its end when it comes.
        """
        check = self._still(token, "run_events") if token is not None else None
        found = run_events(
            self.journal,
            self.subscriptions,
            run_id,
            after=after,
            follow=follow,
            streams=streams,
            check=check,
        )
        return found if token is None or check is None else self._admitted(found, run_id, token, check)

    # -- events --------------------------------------------------------------------------------

    def subscribe(self, run_id: str | None = None, *, token: Bearer | None = None) -> Subscription:
        """Durable events of one run or of all, from now on, behind a queue of `subscriber_queue`.

        The subscription ends with the token.

        Raises:
            AuthorityError: the token does not allow it, or was never shown to this process.
        """
        check: Check | None = None
        if token is not None:
            self.dispatcher.tokens.check(token, "subscribe", run=run_id)
            check = self._still(token, "subscribe")
        return self.subscriptions.subscribe(f"run:{run_id}" if run_id is not None else None, check)

    async def events(
        self, *, after: int = 0, limit: int = 1_000, token: Bearer | None = None
    ) -> list[Recorded]:
        """Durable events of the whole store after a position, oldest first.

        About `limit` of them, up to 5,000: what was committed together is given together.

        Raises:
            LimitExceeded: more, or less than one.
        """
        _check_limit(limit, MAX_EVENTS, "events")
        await self.admit(token, "events")
        return await self.journal.read_all(after, limit)

    def stats(self, *, token: Bearer | None = None) -> dict[str, int]:
        """Counters of the engine and its journal.

        Raises:
            AuthorityError: the token does not allow it, or was never shown to this process.
        """
        if token is not None:
            self.dispatcher.tokens.check(token, "stats")
        return {
            "open_runs": len(self.drivers),
            "open_tasks": len(self.ledger.state.tasks),
            "unrecovered_runs": len(self.unrecovered),
            **self.ledger.counters,
            **{f"journal_{name}": count for name, count in self.journal.stats().items()},
        }

    # -- owning --------------------------------------------------------------------------------

    def adopt(self, driver: RunDriver) -> None:
        """This engine owns the run from here on."""
        self.drivers[driver.run_id] = driver
        self.launchers.watch(driver)
        driver.finished.add_done_callback(lambda _: self._run_ended(driver))
        self.inbox.start()

    def forget_run(self, run_id: str) -> None:
        """Drop what a failed recovery left in the state."""
        state = self.ledger.state
        run = state.runs.pop(run_id, None)
        if run is not None and run.nonce is not None:
            state.tokens.pop(run.nonce, None)
        self.questions.forget(run.questions if run is not None else ())
        for task in [task for task in state.tasks.values() if task.run_id == run_id]:
            state.end_attempt(task)
            del state.tasks[task.id]
            self.ledger.release(task.id)
            self.ledger.waiters.wake(task.id)
        self.ledger.forget(f"run:{run_id}")

    # -- inside --------------------------------------------------------------------------------

    async def _interrupted(self, tried: set[str]) -> list[RunSummary]:
        """Some more runs that nobody owns: those that were taken up are not among them any longer."""
        rows = await self.journal.list_runs(limit=len(tried) + RECOVERED, status="interrupted")
        return [row for row in rows if row.run_id not in tried and row.run_id not in self.drivers]

    async def _find(self, token: Bearer | None, act: str, run_id: str) -> RunSummary:
        """The run that is called so, if the bearer may do this to it; scopes name runs by their whole ids."""
        record = await self.admit(token, act, run=run_id)
        row = await find_run(self.journal, run_id)
        check_scopes(ACTS[act], record.scopes, facts_of(ACTS[act], {"run": row.run_id}))
        return row

    async def _rows(self, record: TokenRecord, limit: int, prefix: str) -> list[RunSummary]:
        """The newest runs that a token may read: those that its scopes name are looked up, not filtered out."""
        named = [scope.removeprefix("run:") for scope in record.scopes if scope.startswith("run:")]
        if not named:
            rows = await self.journal.list_runs(limit=limit, prefix=prefix)
        else:
            found = [await self.journal.get_run(run_id) for run_id in named if run_id.startswith(prefix)]
            rows = sorted(filter(None, found), key=lambda row: row.created_at, reverse=True)
        act = ACTS["list_runs"]
        return [row for row in rows if permits(record, act, {"run": row.run_id})][:limit]

    async def _admitted(
        self, found: AsyncGenerator[dict[str, Any], None], run_id: str, token: Bearer, check: Check
    ) -> AsyncIterator[dict[str, Any]]:
        await self.admit(token, "run_events", run=run_id)
        async with contextlib.aclosing(found):
            async for event in found:
                await check()
                yield event

    def _still(self, token: Bearer, act: str) -> Check:
        """Asks whether a bearer that was let in may still do this; it spends nothing."""
        loop, spent, due = asyncio.get_running_loop(), self.ledger.last_seq, 0.0

        async def check() -> None:
            nonlocal due
            if loop.time() >= due:
                due = loop.time() + CHECK_SECONDS
                await self.journal.flushed(spent)
                await self.dispatcher.tokens.known(token)
            self.dispatcher.tokens.vet(token, act)

        return check

    async def _try_to_resume(self, run_id: str) -> None:
        try:
            await self.resume_run(run_id)
        except TokenRevoked as error:
            log.warning("run %s was not taken up: %s", run_id, error)
        except SkepError as error:
            self.unrecovered[run_id] = error
            log.warning("run %s stays interrupted: %s", run_id, error)
        except Exception as error:
            self.unrecovered[run_id] = EngineError(f"{type(error).__name__}: {error}")
            log.exception("run %s stays interrupted", run_id)

    async def _until_there_is_room(self) -> None:
        """New runs wait while the journal has much to catch up with, so that running ones find room."""
        while self.journal.stats()["backlog"] > self.limits.journal_backlog // 2:
            await self.ledger.flushed()

    def _run_ended(self, driver: RunDriver) -> None:
        if not self._open:
            return
        self.drivers.pop(driver.run_id, None)
        self.forget_run(driver.run_id)
        self.background.run(self._release(driver.log))

    async def _release(self, name: str) -> None:
        """Give a lease back. Where the journal has failed, which was told already, it ends with the process."""
        with contextlib.suppress(JournalFailed):
            await self.journal.release(name)


def _check_limit(limit: int, most: int, where: str) -> None:
    if not 0 < limit <= most:
        raise LimitExceeded("limit", most, where=where, fix="ask for a page")


def _surroundings(blueprint: Blueprint | Loaded, where: str, limits: Limits, *, trusted: bool) -> BuildEnv:
    folder = str(blueprint.base_dir) if isinstance(blueprint, Loaded) else None
    return BuildEnv(blueprint_dir=folder, work_dir=where, trusted=trusted, limits=limits)


def _deadline(timeout: float | None, now: int) -> int | None:
    if timeout is None:
        return None
    if not 0 < timeout <= MAX_TIMEOUT:
        raise LimitExceeded("timeout", MAX_TIMEOUT, where="start", fix="give seconds above 0")
    return now + int(timeout * 1000)
