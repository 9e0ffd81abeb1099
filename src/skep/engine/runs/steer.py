"""What steers a run or a task, carried out where it is owned: for our own acts and for the store's inbox alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skep import values
from skep.core import events as ev
from skep.core import steering, transitions
from skep.core.tasks import TaskState, Verdict
from skep.errors import LimitExceeded

if TYPE_CHECKING:
    from skep.engine.engine import Engine
    from skep.engine.ledger import Ledger
    from skep.engine.runs.run import RunDriver


def encoded_directive(ledger: Ledger, directive: Any) -> bytes:
    """Raises `BadValue`, `LimitExceeded`: it cannot be recorded."""
    data, limit = (
        values.encode(directive, ledger.limits, where="directive"),
        ledger.limits.max_directive_bytes,
    )
    if len(data) > limit:
        raise LimitExceeded("max_directive_bytes", limit, where="directive")
    return data


def directive_of(
    ledger: Ledger, task: TaskState, data: bytes, by: str, request: str | None = None
) -> ev.DirectiveInjected:
    """A word to a task. Raises as `steering.check_directives`."""
    steering.check_directives(task, ledger.limits)
    content = ledger.store(data, task.log)
    return ev.DirectiveInjected(at=ledger.now(), task_id=task.id, directive=content, by=by, request=request)


def verdict_of(ledger: Ledger, task: TaskState, data: bytes, by: str, *, ok: bool) -> Verdict:
    """How a task is to end; the value stays at hand until it has."""
    return Verdict(ok, ledger.store(data, task.log, task.id, "verdict"), by)


def set_resource(driver: RunDriver, key: str, data: bytes, by: str, request: str | None = None) -> None:
    """Leave a value for the run's workers. Raises as `steering.check_resources`."""
    ledger = driver.ledger
    steering.check_resources(driver.state, key, ledger.limits)
    content = ledger.store(data, driver.log)
    event = ev.ResourceSet(
        at=ledger.now(), run_id=driver.run_id, key=key, value=content, by=by, request=request
    )
    driver.commit((event,))


# -- what other processes ask --------------------------------------------------------------------


def _pause(_engine: Engine, driver: RunDriver, body: dict[str, Any]) -> None:
    driver.pause(_by(body), str(body["request"]))


def _unpause(_engine: Engine, driver: RunDriver, body: dict[str, Any]) -> None:
    driver.unpause(_by(body), str(body["request"]))


def _resource(engine: Engine, driver: RunDriver, body: dict[str, Any]) -> None:
    data = values.encode(body["value"], engine.limits, where="resource")
    set_resource(driver, str(body["key"]), data, _by(body), str(body["request"]))


def _directive(engine: Engine, driver: RunDriver, body: dict[str, Any]) -> None:
    task = transitions.get_task(engine.ledger.state, str(body["task_id"]))
    data = encoded_directive(engine.ledger, body["value"])
    driver.commit((directive_of(engine.ledger, task, data, _by(body), str(body["request"])),))
    engine.ledger.waiters.wake(f"directives of {task.id}")


def _verdict(engine: Engine, driver: RunDriver, body: dict[str, Any]) -> None:
    task = transitions.get_task(engine.ledger.state, str(body["task_id"]))
    steering.check_open(task)
    data = values.encode(body["value"], engine.limits, where="verdict")
    verdict = verdict_of(engine.ledger, task, data, _by(body), ok=body["ok"] is True)
    driver.override(task, verdict, str(body["request"]))


def _by(body: dict[str, Any]) -> str:
    return str(body["by"]["principal"])


ACTS: dict[str, Callable[[Engine, RunDriver, dict[str, Any]], None]] = {
    "pause": _pause,
    "unpause": _unpause,
    "resource": _resource,
    "directive": _directive,
    "verdict": _verdict,
}
"""By the kind of an inbox message."""
