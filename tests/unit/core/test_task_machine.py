"""For any sequence of accepted commands, `fold(apply, events)` equals the live state."""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from skep.core import events as ev
from skep.core import transitions
from skep.core.outputs import Artifact, final, inline
from skep.core.retry import Backoff, RetryPolicy
from skep.core.state import EngineState, fold
from skep.core.tasks import SETTLED, TRANSITIONS
from skep.core.transitions import Failure
from skep.errors import AttemptEnded, InvalidTransition, LimitExceeded, SkepError, TaskNotFound
from skep.limits import Limits

LIMITS = Limits(max_spawn_depth=2, max_children=3, max_open_tasks=8, output_tail=4, max_interruptions=2)
_wire = msgspec.json.Decoder(list[ev.AnyEvent])

failures = st.sampled_from(["error", "timeout", "blocked", "cancelled"])
retries = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 3),
    backoff=st.just(Backoff(initial=0.01)),
    on=st.sets(st.sampled_from(["error", "timeout", "blocked"])).map(tuple),
)


class TaskMachine(RuleBasedStateMachine):
    tasks = Bundle("tasks")

    def __init__(self):
        super().__init__()
        self.state = EngineState()
        self.events: list[ev.Event] = []
        self.now = 1_000
        self.serial = 0

    def commit(self, *events: ev.Event) -> None:
        before = {task.id: task.status for task in self.state.tasks.values()}
        for event in events:
            self.state.apply(event)
            self.events.append(event)
        for task in self.state.tasks.values():
            was = before.get(task.id)
            assert was is None or was == task.status or reachable(was, task.status)

    @initialize()
    def begin(self):
        self.commit(
            ev.RunStarted(
                at=self.now, run_id="r", blueprint="v", blueprint_id="b", input=inline({}), work_dir="/"
            )
        )

    @rule(target=tasks, retry=retries, timeout=st.sampled_from([None, 50]), step=st.booleans())
    def create(self, retry, timeout, step):
        self.serial += 1
        try:
            created = transitions.create_task(
                self.state,
                task_id=f"T-{self.serial}",
                agent="a",
                at=self.now,
                run_id="r",
                step_key=f"k{self.serial}" if step else None,
                digest="d" if step else None,
                retry=retry,
                timeout_ms=timeout,
                limits=LIMITS,
            )
        except LimitExceeded:
            assert self.state.runs["r"].open_tasks >= LIMITS.max_open_tasks
            return multiple()
        self.commit(created)
        return created.task_id

    @rule(target=tasks, parent=tasks)
    def create_child(self, parent):
        self.serial += 1
        try:
            created = transitions.create_task(
                self.state,
                task_id=f"T-{self.serial}",
                agent="a",
                at=self.now,
                run_id="r",
                directive=inline("do"),
                parent=parent,
                limits=LIMITS,
            )
        except (TaskNotFound, SkepError):
            return multiple()
        self.commit(created)
        assert self.state.tasks[created.task_id].depth <= LIMITS.max_spawn_depth
        return created.task_id

    @rule(task_id=tasks, milliseconds=st.integers(0, 100))
    def start(self, task_id, milliseconds):
        self.now += milliseconds
        task = self.state.tasks.get(task_id)
        if task is None:
            return
        try:
            event = transitions.start_attempt(
                task, self.now, f"nonce-{len(self.events)}", f"digest-{len(self.events)}"
            )
        except InvalidTransition:
            assert task.status != "pending" or task.live
            return
        self.commit(event)
        assert task.status == "running"
        assert self.state.token_record(event.nonce).task_id == task_id

    @rule(task_id=tasks, ok=st.booleans(), artifact=st.booleans(), stale=st.booleans())
    def submit(self, task_id, ok, artifact, stale):
        task = self.state.tasks.get(task_id)
        attempt = (task.attempt if task else 1) - (1 if stale else 0)
        output = Artifact("part", inline(1)) if artifact else final({"n": len(self.events)}, ok=ok)
        try:
            event = transitions.record_output(task, attempt, output, self.now, limits=LIMITS)
        except AttemptEnded:
            assert task is None or not task.live or stale or task.status in SETTLED
            return
        except LimitExceeded:
            assert task is not None
            assert task.outputs == LIMITS.output_tail
            return
        self.commit(event)

    @rule(task_id=tasks, failure=st.none() | st.builds(Failure, failures, st.just("why")))
    def complete(self, task_id, failure):
        task = self.state.tasks.get(task_id)
        if task is None:
            return
        try:
            events = transitions.complete_attempt(task, failure, self.now)
        except InvalidTransition:
            assert not task.live
            return
        nonce = task.nonce
        self.commit(*events)
        assert nonce not in self.state.worker_tokens
        assert not task.live

    @rule(task_id=tasks, how=st.sampled_from(["retry", "fail"]))
    def interrupt(self, task_id, how):
        task = self.state.tasks.get(task_id)
        if task is None or not task.live:
            return
        self.commit(*transitions.interrupt_attempt(task, self.now, on_interrupt=how, limits=LIMITS))
        assert task.interruptions <= LIMITS.max_interruptions + 1

    @rule(task_id=tasks)
    def cancel(self, task_id):
        task = self.state.tasks.get(task_id)
        if task is None:
            return
        try:
            self.commit(transitions.cancel_task(task, self.now))
        except InvalidTransition:
            assert task.status in SETTLED
            return
        assert task.nonce is None

    @rule(task_id=consumes(tasks))
    def forget(self, task_id):
        pass

    @precondition(lambda self: len(self.events) > 1)
    @invariant()
    def folds_to_the_same(self):
        wire = msgspec.json.encode(self.events)
        again = fold(_wire.decode(wire))
        assert msgspec.json.encode(again) == msgspec.json.encode(self.state)

    @invariant()
    def keeps_only_what_is_open(self):
        for task in self.state.tasks.values():
            assert task.status not in SETTLED or (task.status == "cancelled" and task.live)
        run = self.state.runs.get("r")
        assert run is None or run.open_tasks == len(self.state.tasks)
        live = {task.nonce for task in self.state.tasks.values() if task.nonce is not None}
        assert set(self.state.worker_tokens) == live


def reachable(start, end):
    seen, todo = set(), [start]
    while todo:
        for following in TRANSITIONS[todo.pop()]:
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return end in seen


TestTaskMachine = TaskMachine.TestCase
TestTaskMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
