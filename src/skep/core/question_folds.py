"""What the events of questions and work items do to the state (R-fold)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skep.core import question_events as ev
from skep.core.questions import Claim, QuestionState
from skep.core.tasks import Asked

if TYPE_CHECKING:
    from skep.core.event import Event
    from skep.core.state import EngineState
    from skep.core.tasks import TaskState


def question_of(e: ev.QuestionAsked) -> QuestionState:
    """The open question that `e` makes."""
    return QuestionState(
        key=e.key,
        log=f"run:{e.run_id}" if e.run_id else f"session:{e.session_id}",
        what=e.what,
        audience=e.audience,
        digest=e.digest,
        question=e.question,
        asked_at=e.at,
        senior=type(e) is ev.SeniorQueried,
        run_id=e.run_id,
        task_id=e.task_id,
        attempt=e.attempt,
        agent=e.agent,
        step_key=e.step_key,
        schema=e.schema,
        deadline=e.deadline,
        on_timeout=e.on_timeout,
        allow_self=e.allow_self,
        by=e.by,
    )


def _asked(state: EngineState, e: ev.QuestionAsked) -> None:
    question = question_of(e)
    state.questions[e.key] = question
    run = state.runs.get(e.run_id) if e.run_id else None
    if run is not None:
        run.questions[e.key] = e.what
        if e.step_key is not None:
            run.asks[e.step_key] = e.key
        elif e.task_id is not None:
            run.asking[e.task_id] = run.asking.get(e.task_id, 0) + 1
    if e.task_id is not None:
        _of_task(state.tasks[e.task_id], e)


def _of_task(task: TaskState, e: ev.QuestionAsked) -> None:
    if e.what == "work":
        task.work = e.key
        return
    task.asked += 1
    task.open_asks += 1
    if task.asks is None:
        task.asks = {}
    task.asks[e.key] = Asked(e.digest)


def _answered(state: EngineState, e: ev.QuestionAnswered) -> None:
    asked = _ended(state, e.key)
    if asked is not None:
        asked.answer = e.answer


def _closed(state: EngineState, e: ev.QuestionClosed) -> None:
    asked = _ended(state, e.key)
    if asked is not None:
        asked.closed = e.reason


def _ended(state: EngineState, key: str) -> Asked | None:
    """The question leaves the state; what its task still knows of it."""
    question = state.questions.pop(key)
    if question.claim is not None:
        state.drop_claim(question)
    run = state.runs.get(question.run_id) if question.run_id else None
    if run is not None:
        run.questions.pop(key, None)
        if question.step_key is not None and run.asks.get(question.step_key) == key:
            del run.asks[question.step_key]
        elif question.task_id is not None:
            run.asking[question.task_id] -= 1
            if run.asking[question.task_id] == 0:
                del run.asking[question.task_id]
    task = state.tasks.get(question.task_id) if question.task_id else None
    if task is None:
        return None
    if question.what == "work":
        task.work = None
        return None
    task.open_asks -= 1
    if task.open_asks == 0:
        task.suspended_on = None
    return task.asks.get(key) if task.asks else None


def _suspended(state: EngineState, e: ev.TaskSuspended) -> None:
    task = state.tasks[e.task_id]
    task.status = "suspended"
    task.suspended_on = e.key
    task.suspended_at = task.updated_at = e.at


def _resumed(state: EngineState, e: ev.TaskResumed) -> None:
    task = state.tasks[e.task_id]
    task.updated_at = e.at
    if not task.live:
        task.status = "pending"
        return
    task.status = "running"
    if task.deadline is not None:
        task.deadline += e.at - task.suspended_at


def _claimed(state: EngineState, e: ev.WorkClaimed) -> None:
    question = state.questions[e.key]
    if question.claim is not None:
        state.drop_claim(question)
    question.claim = Claim(e.holder, e.generation, e.handle, e.lease_until, e.session_id, e.sessions)
    question.generation = e.generation
    task = state.tasks[e.task_id]
    if task.nonce is not None:
        state.handles[e.handle] = task.nonce


def _renewed(state: EngineState, e: ev.WorkRenewed) -> None:
    claim = state.questions[e.key].claim
    if claim is not None:
        claim.lease_until = e.lease_until


def _released(state: EngineState, e: ev.WorkReleased) -> None:
    state.drop_claim(state.questions[e.key])


HANDLERS: dict[type[Event], Callable[[EngineState, Any], None]] = {
    ev.QuestionAsked: _asked,
    ev.SeniorQueried: _asked,
    ev.QuestionAnswered: _answered,
    ev.SeniorAnswered: _answered,
    ev.QuestionClosed: _closed,
    ev.TaskSuspended: _suspended,
    ev.TaskResumed: _resumed,
    ev.WorkClaimed: _claimed,
    ev.WorkRenewed: _renewed,
    ev.WorkReleased: _released,
}
