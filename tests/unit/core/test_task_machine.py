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
from skep.core import questions, transitions
from skep.core.outputs import Artifact, final, inline
from skep.core.retry import Backoff, RetryPolicy
from skep.core.state import EngineState, fold
from skep.core.tasks import SETTLED, TRANSITIONS, Verdict
from skep.core.transitions import Failure
from skep.errors import AttemptEnded, InvalidTransition, LimitExceeded, SkepError, TaskNotFound
from skep.limits import Limits

LIMITS = Limits(
    max_spawn_depth=2, max_children=3, max_open_tasks=8, output_tail=4, max_interruptions=2, max_asks=6
)
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
            self.commit(*transitions.cancel_task(task, self.now))
        except InvalidTransition:
            assert task.status in SETTLED
            return
        assert task.nonce is None

    # -- questions and work --------------------------------------------------------------------

    @rule(task_id=tasks, text=st.sampled_from(["a?", "b?"]), default=st.booleans())
    def ask(self, task_id, text, default):
        task = self.state.tasks.get(task_id)
        if task is None:
            return
        asking = questions.Asking(
            question=inline(text),
            digest=questions.question_digest(text, (questions.SENIOR,)),
            on_timeout=inline("default") if default else None,
        )
        try:
            events = questions.ask_for_task(task, asking, self.now, limits=LIMITS)
        except InvalidTransition:
            assert task.status in SETTLED
            return
        except LimitExceeded:
            assert task.asked == LIMITS.max_asks
            return
        self.commit(*events)
        assert task.status == "suspended"

    @rule(how=st.sampled_from(["answer", "close", "time_out"]), data=st.data())
    def end_question(self, how, data):
        if not self.state.questions:
            return
        question = self.state.questions[data.draw(st.sampled_from(sorted(self.state.questions)))]
        task = self.state.tasks[question.task_id]
        if how == "answer":
            events = questions.answer(question, task, inline("yes"), "alice", self.now)
        elif how == "close":
            events = questions.close(question, task, "withdrawn", self.now)
        else:
            events = questions.time_out(question, task, self.now)
        deadline, suspended_at = task.deadline, task.suspended_at
        was_suspended = task.status == "suspended"
        self.commit(*events)
        assert question.key not in self.state.questions
        if was_suspended and task.status == "running" and deadline is not None:
            assert task.deadline == deadline + self.now - suspended_at

    @rule(task_id=tasks)
    def offer(self, task_id):
        task = self.state.tasks.get(task_id)
        if task is None or task.status != "running" or task.work is not None:
            return
        asking = questions.Asking(question=inline("do"), digest="d", audience=("seat:reviewer",), what="work")
        self.commit(questions.offer_work(f"R-{len(self.events)}", task, asking, self.now))

    @rule(release=st.booleans(), data=st.data())
    def claim(self, release, data):
        items = sorted(key for key, question in self.state.questions.items() if question.what == "work")
        if not items:
            return
        question = self.state.questions[data.draw(st.sampled_from(items))]
        digest = f"claim-{len(self.events)}"
        self.commit(
            ev.WorkClaimed(
                at=self.now,
                key=question.key,
                task_id=question.task_id,
                holder="bob",
                generation=question.generation + 1,
                handle=digest,
                lease_until=self.now + 100,
            )
        )
        assert self.state.handles[digest] == self.state.tasks[question.task_id].nonce
        if release:
            self.commit(ev.WorkReleased(at=self.now, key=question.key, generation=question.generation))
            assert digest not in self.state.handles

    @rule(task_id=tasks, ok=st.booleans())
    def override(self, task_id, ok):
        task = self.state.tasks.get(task_id)
        if task is None:
            return
        verdict = Verdict(ok, inline("so be it"), "operator:alice")
        try:
            events = transitions.override_verdict(task, verdict, self.now)
        except InvalidTransition:
            assert task.status in SETTLED
            return
        live = task.live
        self.commit(*events)
        assert (task.id in self.state.tasks) == live

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
    def suspended_while_something_is_asked(self):
        open_keys = {task_id: set() for task_id in self.state.tasks}
        for key, question in self.state.questions.items():
            open_keys[question.task_id].add((key, question.what))
        for task in self.state.tasks.values():
            asks = {key for key, what in open_keys[task.id] if what == "ask"}
            assert task.open_asks == len(asks)
            assert (task.status == "suspended") == bool(asks)
            assert (task.suspended_on is not None) == bool(asks)
            assert {key for key, what in open_keys[task.id] if what == "work"} == {task.work} - {None}
        run = self.state.runs.get("r")
        if run is not None:
            assert set(run.questions) == set(self.state.questions)
            assert run.asking == {task_id: len(keys) for task_id, keys in open_keys.items() if keys}

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
