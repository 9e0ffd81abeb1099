from __future__ import annotations

import pytest

from skep.core import events as ev
from skep.core import transitions
from skep.core.outputs import final, inline
from skep.core.retry import Backoff, RetryPolicy
from skep.core.state import EngineState
from skep.core.tasks import TRANSITIONS, TaskState, check_transition
from skep.core.transitions import Failure
from skep.errors import AttemptEnded, InvalidTransition, SpawnDepthExceeded
from skep.limits import DEFAULT_LIMITS


@pytest.fixture
def state():
    state = EngineState()
    state.apply(
        ev.RunStarted(at=1, run_id="r", blueprint="v", blueprint_id="b", input=inline({}), work_dir="/")
    )
    return state


def running(state, *, retry=None, timeout_ms=None):
    created = transitions.create_task(
        state,
        task_id="T-1",
        agent="a",
        at=2,
        run_id="r",
        step_key="0",
        digest="d",
        retry=retry,
        timeout_ms=timeout_ms,
    )
    state.apply(created)
    task = state.tasks["T-1"]
    state.apply(transitions.start_attempt(task, 3, "n"))
    return task


def apply_all(state, events):
    for event in events:
        state.apply(event)
    return [type(event) for event in events]


def test_the_last_of_two_finals_decides(state):
    task = running(state)
    state.apply(transitions.record_output(task, 1, final("no", ok=False), 4))
    state.apply(transitions.record_output(task, 1, final("yes"), 5))
    assert apply_all(state, transitions.complete_attempt(task, None, 6)) == [
        ev.TaskAttemptCompleted,
        ev.TaskPass,
    ]
    assert task.status == "pass"


def test_a_worker_without_a_final_has_failed(state):
    task = running(state)
    events = transitions.complete_attempt(task, None, 6)
    assert events[1].reason == "error"
    assert events[1].message == "no Final in output_tail"


def test_a_failed_worker_fails_the_attempt_although_it_delivered(state):
    task = running(state)
    state.apply(transitions.record_output(task, 1, final("yes"), 5))
    apply_all(state, transitions.complete_attempt(task, Failure("error", "exit 3"), 6))
    assert task.status == "blocked"


def test_output_after_the_attempt_has_ended_is_refused_and_changes_nothing(state):
    task = running(state, retry=RetryPolicy(max_attempts=2, backoff=Backoff(initial=0)))
    apply_all(state, transitions.complete_attempt(task, Failure("error"), 6))
    state.apply(transitions.start_attempt(task, 7, "n2"))
    with pytest.raises(AttemptEnded):
        transitions.record_output(task, 1, final("late"), 8)
    assert task.final is None


def test_retry_puts_the_task_back_until_its_attempts_are_used_up(state):
    task = running(state, retry=RetryPolicy(max_attempts=2, backoff=Backoff(initial=2)))
    apply_all(state, transitions.complete_attempt(task, Failure("error", "boom"), 10))
    assert (task.status, task.retry_at) == ("pending", 2_010)
    assert task.previous.message == "boom"
    state.apply(transitions.start_attempt(task, 2_010, "n2"))
    apply_all(state, transitions.complete_attempt(task, Failure("error", "boom"), 2_020))
    assert task.status == "blocked"
    assert "T-1" not in state.tasks


def test_blocked_is_not_retried_unless_the_policy_says_so(state):
    task = running(state, retry=RetryPolicy(max_attempts=3))
    state.apply(transitions.record_output(task, 1, final("no", ok=False), 4))
    apply_all(state, transitions.complete_attempt(task, None, 5))
    assert task.status == "blocked"


def test_an_interruption_is_counted_apart_from_attempts(state):
    task = running(state)
    for count in range(DEFAULT_LIMITS.max_interruptions):
        apply_all(state, transitions.interrupt_attempt(task, 10 + count))
        assert task.status == "pending"
        state.apply(transitions.start_attempt(task, 20 + count, f"n{count}"))
    apply_all(state, transitions.interrupt_attempt(task, 30))
    assert task.status == "blocked"
    assert task.failures == 0


def test_a_cancelled_task_stays_until_its_worker_has_ended(state):
    task = running(state)
    [cancelled] = transitions.cancel_task(task, 5)
    state.apply(cancelled)
    assert state.tasks["T-1"].live
    assert state.worker_tokens == {}
    apply_all(state, transitions.complete_attempt(task, None, 6))
    assert state.tasks == {}


def test_a_result_after_cancel_is_ignored(state):
    task = running(state)
    [cancelled] = transitions.cancel_task(task, 5)
    state.apply(cancelled)
    with pytest.raises(AttemptEnded):
        transitions.record_output(task, 1, final("late"), 6)
    events = transitions.complete_attempt(task, None, 7)
    assert [type(event) for event in events] == [ev.TaskAttemptCompleted]
    assert events[0].reason == "cancelled"


def test_a_deadline_is_absolute_and_each_attempts_own(state):
    task = running(state, timeout_ms=50)
    assert task.deadline == 53


def test_children_go_four_deep_and_no_deeper(state):
    parent = None
    for depth in range(DEFAULT_LIMITS.max_spawn_depth + 1):
        created = transitions.create_task(
            state, task_id=f"T-{depth}", agent="a", at=2, run_id="r", parent=parent
        )
        state.apply(created)
        parent = created.task_id
        assert created.depth == depth
    with pytest.raises(SpawnDepthExceeded, match="5 > max 4"):
        transitions.create_task(state, task_id="T-x", agent="a", at=2, run_id="r", parent=parent)


@pytest.mark.parametrize("start", TRANSITIONS)
@pytest.mark.parametrize("end", TRANSITIONS)
def test_every_transition_is_in_the_table_or_refused(start, end):
    task = TaskState(id="T-1", agent="a", log="run:r", status=start)
    if end in TRANSITIONS[start]:
        check_transition(task, end)
    else:
        with pytest.raises(InvalidTransition, match=f"is {start} and cannot become {end}"):
            check_transition(task, end)
