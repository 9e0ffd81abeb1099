"""Decisions of those who steer a run from outside: pausing it, a word to a task, a resource, a prompt.

Like `transitions`: each function checks that its command is allowed and returns the events that carry it out.
"""

from __future__ import annotations

from msgspec import structs

from skep.core import events as ev
from skep.core.state import RunState
from skep.core.tasks import SETTLED, Baked, TaskState
from skep.errors import InvalidTransition, LimitExceeded
from skep.limits import DEFAULT_LIMITS, Limits


def pause(run: RunState, by: str, at: int, request: str | None = None) -> tuple[ev.Event, ...]:
    """The run begins no further attempt; a second pause changes nothing, but answers its request."""
    if run.paused and request is None:
        return ()
    return (ev.LoopPaused(at=at, run_id=run.id, by=by, request=request),)


def unpause(run: RunState, by: str, at: int, request: str | None = None) -> tuple[ev.Event, ...]:
    """The run goes on; one that was not paused does so anyway."""
    if not run.paused and request is None:
        return ()
    return (ev.LoopResumed(at=at, run_id=run.id, by=by, request=request),)


def check_directives(task: TaskState, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raises `InvalidTransition` for a task that has settled, `LimitExceeded` when it has had its fill."""
    check_open(task)
    if len(task.directives) >= limits.max_directives:
        raise LimitExceeded("max_directives", limits.max_directives, where=f"task {task.id}")


def check_resources(run: RunState, key: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raises `LimitExceeded` when the run has no room for one more resource."""
    if key not in run.resources and len(run.resources) >= limits.max_resources:
        raise LimitExceeded("max_resources", limits.max_resources, where=f"run {run.id}")


def bake_prompt(task: TaskState, attempt: int, prompt: str, at: int) -> ev.PromptBaked:
    """One attempt is given `prompt` in place of its own.

    Raises:
        InvalidTransition: it is neither the task's live attempt nor its next one.
    """
    return _baked(task, structs.replace(_bakeable(task, attempt), prompt=prompt), at)


def bake_system(task: TaskState, attempt: int, system: str | None, at: int) -> ev.PromptBaked:
    """One attempt is given the system prompt `system` (null: none at all) in place of its profile's.

    Raises:
        InvalidTransition: it is neither the task's live attempt nor its next one.
    """
    baked = structs.replace(_bakeable(task, attempt), system=system, no_system=system is None)
    return _baked(task, baked, at)


def check_open(task: TaskState) -> None:
    """Raises `InvalidTransition` unless something may still come of the task."""
    if task.status in SETTLED:
        raise InvalidTransition(f"task {task.id} has settled: {task.status}")


def _bakeable(task: TaskState, attempt: int) -> Baked:
    check_open(task)
    if attempt != task.attempt + 1 and not (task.live and attempt == task.attempt):
        raise InvalidTransition(
            f"attempt {attempt} of task {task.id} is neither live nor the next one",
            fix=f"its next attempt is {task.attempt + 1}",
        )
    return task.baked_for(attempt) or Baked(attempt)


def _baked(task: TaskState, baked: Baked, at: int) -> ev.PromptBaked:
    return ev.PromptBaked(
        at=at,
        task_id=task.id,
        attempt=baked.attempt,
        prompt=baked.prompt,
        system=baked.system,
        no_system=baked.no_system,
    )
