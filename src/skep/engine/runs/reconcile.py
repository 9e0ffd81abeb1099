"""After replay: whatever the machine wants exists, and nothing else goes on (DESIGN section 6)."""

from __future__ import annotations

from collections.abc import Iterable

from skep.core import events as ev
from skep.core import transitions
from skep.core.tasks import TaskState
from skep.engine.runs.run import RunDriver
from skep.flow.inputs import AnyWant, AskWant, TimerWant, Want


def reconcile(driver: RunDriver, generation: int) -> None:
    """Make a replayed run ready to go on under the lease `generation`; `launch` begins its attempts."""
    if driver.is_open:
        driver.paused = driver.state.paused
        event = ev.RunRecovered(at=driver.ledger.now(), run_id=driver.run_id, generation=generation)
        driver.commit((event,), summary=True)
        wanted = {want.key: want for want in driver.machine.wanted()}
        for task in driver.tasks():
            want = wanted.pop(task.step_key, None) if task.step_key is not None else None
            if isinstance(want, Want):
                _go_on(driver, task, want)
            elif not _has_parent(driver, task):
                _end(driver, task)
            elif task.live:
                _interrupt(driver, task)
        steps = [want for want in wanted.values() if isinstance(want, Want)]
        if steps:
            driver.create(steps)
        _wait_on(driver, wanted.values())
        driver.finish_if_ended()
        driver.arm_deadline()


def _end(driver: RunDriver, task: TaskState) -> None:
    """A step that had been dropped, or a child of an attempt that is gone: its worker died with the host."""
    if task.status != "cancelled":
        driver.commit(transitions.cancel_task(task, driver.ledger.now()))
    if task.live:
        driver.commit(transitions.complete_attempt(task, None, driver.ledger.now()))


def _has_parent(driver: RunDriver, task: TaskState) -> bool:
    """Whether the attempt that started the task goes on: somebody outside holds it."""
    parent = driver.ledger.state.tasks.get(task.parent or "")
    return parent is not None and parent.live and parent.work is not None and task.status != "cancelled"


def _interrupt(driver: RunDriver, task: TaskState) -> None:
    """Its worker died with the host."""
    on_interrupt = driver.plan.route(task.agent).on_interrupt
    now, limits = driver.ledger.now(), driver.ledger.limits
    driver.commit(transitions.interrupt_attempt(task, now, on_interrupt=on_interrupt, limits=limits))


def _go_on(driver: RunDriver, task: TaskState, want: Want) -> None:
    route = driver.plan.route(task.agent)
    data = want.data
    if task.live and task.verdict is not None:
        driver.commit(transitions.complete_attempt(task, None, driver.ledger.now()))
        return
    if task.live and task.final is not None:
        # It had delivered before the host died: its layers run again, the worker does not.
        driver.attempts.enqueue(task, driver.plan.recorded(route), data)
        return
    if task.live and task.work is not None:
        # Who holds the attempt works on: it is as if the host had never been away.
        driver.attempts.enqueue(task, route, data)
        return
    if task.live:
        _interrupt(driver, task)
    if task.status == "pending":
        driver.attempts.next_attempt(task, route, data)


def _wait_on(driver: RunDriver, wanted: Iterable[AnyWant]) -> None:
    """Questions and timers of the flow that are not recorded yet begin, the others go on."""
    outside = driver.outside
    for want in wanted:
        if isinstance(want, AskWant):
            if want.key not in driver.state.asks:
                outside.ask(want)
        elif isinstance(want, TimerWant):
            if outside.is_started(want.key):
                outside.arm(want.key)
            else:
                outside.start(want)
