"""Taking up a run that was left open: a fold over its log, then reconciling (DESIGN sections 6 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skep.core import events as ev
from skep.core.outputs import Blob, ContentRef, Final
from skep.core.state import EngineState
from skep.engine.inbox.elsewhere import request_of
from skep.engine.ledger import Role
from skep.engine.runs.fold import signal_owner
from skep.engine.runs.launchers import REASON
from skep.engine.runs.reconcile import reconcile
from skep.engine.runs.run import RunDriver
from skep.errors import RunNotFound, StoreCorrupt
from skep.flow.blueprint import parse_blueprint
from skep.values import decode
from skep.workers.base import BuildEnv

if TYPE_CHECKING:
    from skep.engine.acts.runs import RunActs

PAGE = 5_000


async def recover(engine: RunActs, run_id: str) -> RunDriver:
    """Own the run, fold its log into a driver and let it go on.

    It is cancelled when the token that launched it was revoked meanwhile.

    Raises:
        RunOwned: a live process works on it.
        RunNotFound: nothing in the store has this id.
        BlueprintError, KindNotYet: its Blueprint cannot be run here (an agent is not registered, for one).
        ReplayDiverged: the log does not fit the flow.
    """
    log = f"run:{run_id}"
    lease = await engine.journal.acquire(log)
    state = EngineState()
    try:
        driver = await _fold(engine, run_id, log, state)
        driver.revoked = await engine.launchers.any_revoked(driver.launchers)
        messages = await engine.inbox.waiting(log)
    except BaseException:
        engine.forget_run(run_id)
        for owner in (run_id, *state.tasks):
            engine.ledger.release(owner)
        await engine.journal.release(log)
        raise
    # From here on without a wait: others see the run not at all, or with all that was decided while nobody owned it.
    engine.ledger.state.absorb(state)
    engine.adopt(driver)
    try:
        if driver.revoked:
            driver.cancel(REASON)
        reconcile(driver, lease.generation)
        engine.inbox.act_on(driver, messages)
        driver.attempts.launch()
        engine.questions.arm_all(run_id)
    except Exception as error:
        driver.fail(error)
        raise
    return driver


async def _fold(engine: RunActs, run_id: str, log: str, state: EngineState) -> RunDriver:
    page = await engine.journal.read(log, 0, PAGE)
    if not page:
        raise RunNotFound(f"no run {run_id!r} in this store")
    first = page[0].event
    if not isinstance(first, ev.RunStarted):
        raise StoreCorrupt("the log of a run does not begin with run_started", where=log)
    driver = await _driver(engine, first)
    waiting = {request_of(message) for message in await engine.inbox.waiting(log)}
    while page:
        for recorded in page:
            await _fetch(engine, log, recorded.event)
            if waiting:
                # Those that the last owner has acted on, but died before it could settle them.
                driver.carried_out |= waiting & {getattr(recorded.event, "request", None)}
            driver.replay(recorded.version, recorded.event, state)
        page = await engine.journal.read(log, page[-1].version, PAGE)
    return driver


async def _driver(engine: RunActs, started: ev.RunStarted) -> RunDriver:
    log = f"run:{started.run_id}"
    document = decode(await engine.journal.get_blob(started.blueprint, log=log))
    blueprint = parse_blueprint(document)
    env = BuildEnv(
        blueprint_dir=started.blueprint_dir,
        work_dir=started.work_dir,
        trusted=started.trust == "trusted",
        limits=engine.limits,
    )
    return RunDriver(engine.dispatcher, started, engine.planner.plan(blueprint, env))


async def _fetch(engine: RunActs, log: str, event: ev.AnyEvent) -> None:
    """Read ahead the artifacts whose values the fold needs."""
    content: ContentRef | None = None
    owner = ""
    role: Role = "final"
    if isinstance(event, ev.RunStarted):
        content, owner, role = event.input, event.run_id, "input"
    elif isinstance(event, ev.WorkerOutput) and isinstance(event.event, Final):
        content, owner = event.event.content, event.task_id
    elif isinstance(event, ev.TaskCheckpoint):
        content, owner, role = event.value, event.task_id, "checkpoint"
    elif isinstance(event, ev.TaskCreated):
        content, owner, role = event.directive, event.task_id, "input"
    elif isinstance(event, ev.VerdictOverridden):
        content, owner, role = event.value, event.task_id, "verdict"
    elif isinstance(event, ev.QuestionAnswered):
        content, owner = event.answer, event.key
    elif isinstance(event, ev.SignalReceived):
        content, owner = event.value, signal_owner(event.name)
    if isinstance(content, Blob):
        data = await engine.journal.get_blob(content.sha256, log=log)
        engine.ledger.remember(content.sha256, data, owner, role)
