"""The engine's state: `state = fold(apply, events)`, and no other writer (R-fold).

Only what is in flight is here. A settled task leaves as soon as its worker has ended, a finished run with
`run_finished`; both are read from the journal afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from skep.core import events as ev
from skep.core import question_folds, session_folds
from skep.core.budget import Account, note_artifact
from skep.core.outputs import ContentRef, Final
from skep.core.question_events import QuestionKind
from skep.core.questions import QuestionState
from skep.core.retry import NO_RETRY
from skep.core.sessions import SessionState
from skep.core.tasks import Baked, Previous, TaskState, TaskStatus, Verdict
from skep.core.tokens import TokenRecord

NEVER = 2**53
"""The end of what ends with something else than time."""

WORKER_TOKEN_MS = 24 * 3600 * 1000
"""Longest life of a worker token whose attempt has no deadline, from its start or its last answer on."""


class RunState(Struct, kw_only=True):
    """An open run: what its log says about it apart from its tasks."""

    id: str
    blueprint: str
    blueprint_id: str
    input: ContentRef
    work_dir: str
    trust: str
    durability: ev.Durability
    deadline: int | None
    created_at: int
    cancel_reason: str | None = None
    generation: int = 0
    settled: int = 0
    tasks: dict[str, str] = field(default_factory=dict)
    """Open step tasks by step key."""
    open_tasks: int = 0
    starter: str = "owner"
    nonce: str | None = None
    paused: bool = False
    questions: dict[str, QuestionKind] = field(default_factory=dict)
    """Its open questions by key, those of its tasks included."""
    asks: dict[str, str] = field(default_factory=dict)
    """Open questions of `ask` nodes by step key."""
    asking: dict[str, int] = field(default_factory=dict)
    """How many questions each task that waits for an answer has open."""
    resources: dict[str, ContentRef] = field(default_factory=dict)
    account: Account | None = None
    """What its attempts have reserved and spent, if they have a budget."""


class EngineState(Struct, kw_only=True):
    """Everything in flight: runs, tasks, open questions, tokens by nonce, handles by digest, sessions."""

    runs: dict[str, RunState] = field(default_factory=dict)
    tasks: dict[str, TaskState] = field(default_factory=dict)
    tokens: dict[str, TokenRecord] = field(default_factory=dict)
    """Records of the tokens of sessions, logins and runs, by nonce."""
    worker_tokens: dict[str, str] = field(default_factory=dict)
    """The task whose live attempt a worker token belongs to, by nonce."""
    handles: dict[str, str] = field(default_factory=dict)
    questions: dict[str, QuestionState] = field(default_factory=dict)
    sessions: dict[str, SessionState] = field(default_factory=dict)
    latest: int = 0
    """The highest time of any event, in milliseconds."""

    def apply(self, event: ev.Event) -> None:
        """Fold one event in. Events come from a decision that checked them, so this never refuses."""
        if event.at > self.latest:  # noqa: PLR1730 - max() is a call on every step's way
            self.latest = event.at
        HANDLERS[type(event)](self, event)

    def absorb(self, run: EngineState) -> None:
        """Take over what the fold of one run's log has made; its log speaks of nothing that is here already."""
        self.runs.update(run.runs)
        self.tasks.update(run.tasks)
        self.tokens.update(run.tokens)
        self.worker_tokens.update(run.worker_tokens)
        self.handles.update(run.handles)
        self.questions.update(run.questions)
        self.latest = max(self.latest, run.latest)

    def token_record(self, nonce: str) -> TokenRecord | None:
        """The record of a token that is in force: a session's, or that of a live attempt."""
        task_id = self.worker_tokens.get(nonce)
        if task_id is None:
            return self.tokens.get(nonce)
        task = self.tasks[task_id]
        run = self.runs.get(task.run_id) if task.run_id else None
        if task.status == "suspended":
            expire_at = NEVER  # its time stands still
        elif task.deadline is not None:
            expire_at = task.deadline
        else:
            expire_at = task.updated_at + WORKER_TOKEN_MS
            claim = self.questions[task.work].claim if task.work is not None else None
            if claim is not None:
                # Somebody may take it up days after it was offered.
                expire_at = max(expire_at, claim.lease_until)
        return TokenRecord(
            role="worker",
            agent_id=f"worker-of-{task_id}",
            expire_at=expire_at,
            task_id=task_id,
            run_id=task.run_id,
            parent=run.nonce if run is not None else None,
        )

    # -- what the handlers below share ---------------------------------------------------------

    def end_attempt(self, task: TaskState) -> None:
        """The attempt's token and handle end with it."""
        task.live = False
        self.end_token(task)

    def end_token(self, task: TaskState) -> None:
        if task.nonce is not None:
            self.worker_tokens.pop(task.nonce, None)
            task.nonce = None
        if task.handle is not None:
            self.handles.pop(task.handle, None)
            task.handle = None

    def drop_claim(self, question: QuestionState) -> None:
        """A claim of a work item ends, and with it its handle."""
        if question.claim is not None:
            self.handles.pop(question.claim.handle, None)
            question.claim = None

    def settle(self, task: TaskState, status: TaskStatus, at: int) -> None:
        """The task has its last status; it leaves memory unless a worker of it may still run."""
        task.status = status
        task.updated_at = at
        if task.live:
            self.end_token(task)
        else:
            self.evict(task)

    def evict(self, task: TaskState) -> None:
        del self.tasks[task.id]
        run = self.runs.get(task.run_id) if task.run_id else None
        if run is not None:
            run.open_tasks -= 1
            if task.step_key is not None:
                run.settled += 1
                if run.tasks.get(task.step_key) == task.id:
                    del run.tasks[task.step_key]
        elif task.session_id in self.sessions:
            owned = self.sessions[task.session_id].owned_task_ids
            if task.id in owned:
                owned.remove(task.id)


def _run_started(state: EngineState, e: ev.RunStarted) -> None:
    state.runs[e.run_id] = RunState(
        id=e.run_id,
        blueprint=e.blueprint,
        blueprint_id=e.blueprint_id,
        input=e.input,
        work_dir=e.work_dir,
        trust=e.trust,
        durability=e.durability,
        deadline=e.deadline,
        created_at=e.at,
        starter=e.starter,
        nonce=e.nonce,
    )
    if e.nonce is not None:
        state.tokens[e.nonce] = TokenRecord(
            role="operator",
            agent_id=e.starter,
            expire_at=NEVER,
            run_id=e.run_id,
            scopes=(f"run:{e.run_id}",),
            parent=e.launcher,
        )


def _run_recovered(state: EngineState, e: ev.RunRecovered) -> None:
    state.runs[e.run_id].generation = e.generation


def _run_cancel_requested(state: EngineState, e: ev.RunCancelRequested) -> None:
    run = state.runs[e.run_id]
    if run.cancel_reason is None:
        run.cancel_reason = e.reason


def _run_finished(state: EngineState, e: ev.RunFinished) -> None:
    run = state.runs.pop(e.run_id)
    if run.nonce is not None:
        del state.tokens[run.nonce]


def _for_the_machine(state: EngineState, e: ev.Event) -> None:
    """A timer or a signal: which node it moves on, and what is kept of it, is the machine's to say."""


def _resource_set(state: EngineState, e: ev.ResourceSet) -> None:
    state.runs[e.run_id].resources[e.key] = e.value


def _loop_paused(state: EngineState, e: ev.LoopPaused) -> None:
    state.runs[e.run_id].paused = True


def _loop_resumed(state: EngineState, e: ev.LoopResumed) -> None:
    state.runs[e.run_id].paused = False


def _task_created(state: EngineState, e: ev.TaskCreated) -> None:
    run = state.runs.get(e.run_id) if e.run_id else None
    state.tasks[e.task_id] = TaskState(
        id=e.task_id,
        agent=e.agent,
        log=f"run:{e.run_id}" if e.run_id else f"session:{e.session_id}",
        run_id=e.run_id,
        session_id=e.session_id,
        step_key=e.step_key,
        digest=e.digest,
        directive=e.directive,
        parent=e.parent,
        depth=e.depth,
        retry=e.retry or NO_RETRY,
        timeout_ms=e.timeout_ms,
        created_at=e.at,
        updated_at=e.at,
    )
    if run is not None:
        run.open_tasks += 1
        if e.step_key is not None:
            run.tasks[e.step_key] = e.task_id
    elif e.session_id in state.sessions:
        state.sessions[e.session_id].owned_task_ids.append(e.task_id)
    if e.parent is not None and e.parent in state.tasks:
        state.tasks[e.parent].children += 1


def _task_attempt_started(state: EngineState, e: ev.TaskAttemptStarted) -> None:
    task = state.tasks[e.task_id]
    task.attempt = e.attempt
    task.status = "running"
    task.live = True
    task.updated_at = task.started_at = e.at
    task.nonce = e.nonce
    task.handle = e.handle
    task.deadline = e.deadline
    if e.attempt > 1:
        task.retry_at = None
        task.final = None
        task.outputs = 0
    state.worker_tokens[e.nonce] = e.task_id
    if e.handle is not None:
        state.handles[e.handle] = e.nonce


def _worker_output(state: EngineState, e: ev.WorkerOutput) -> None:
    task = state.tasks[e.task_id]
    task.outputs += 1
    if type(e.event) is Final:
        task.final = e.event
        return
    run = state.runs.get(task.run_id) if task.run_id else None
    if run is not None:
        run.account = note_artifact(run.account, e)


def _call_recorded(_state: EngineState, _event: ev.CallRecorded) -> None:
    """Only the worker's next attempt needs it, and reads it from the log."""


def _task_checkpoint(state: EngineState, e: ev.TaskCheckpoint) -> None:
    state.tasks[e.task_id].checkpoint = e.value


def _task_attempt_completed(state: EngineState, e: ev.TaskAttemptCompleted) -> None:
    task = state.tasks[e.task_id]
    state.end_attempt(task)
    task.updated_at = e.at
    if task.status == "cancelled":
        state.evict(task)
        return
    if e.ok:
        return
    task.failures += 1
    task.asks = None
    task.previous = Previous(e.attempt, e.reason or "error", e.message)
    if e.retry_at is not None:
        task.status = "pending"
        task.retry_at = e.retry_at


def _task_attempt_interrupted(state: EngineState, e: ev.TaskAttemptInterrupted) -> None:
    task = state.tasks[e.task_id]
    state.end_attempt(task)
    if e.counted:
        task.interruptions += 1
    task.previous = Previous(e.attempt, "interrupted")
    if not task.open_asks:
        task.status = "pending"
    task.updated_at = e.at


def _task_pass(state: EngineState, e: ev.TaskPass) -> None:
    state.settle(state.tasks[e.task_id], "pass", e.at)


def _task_blocked(state: EngineState, e: ev.TaskBlocked) -> None:
    state.settle(state.tasks[e.task_id], "blocked", e.at)


def _task_timeout(state: EngineState, e: ev.TaskTimeout) -> None:
    state.settle(state.tasks[e.task_id], "timeout", e.at)


def _task_cancelled(state: EngineState, e: ev.TaskCancelled) -> None:
    state.settle(state.tasks[e.task_id], "cancelled", e.at)


def _directive_injected(state: EngineState, e: ev.DirectiveInjected) -> None:
    task = state.tasks[e.task_id]
    task.directives = (*task.directives, e.directive)


def _verdict_overridden(state: EngineState, e: ev.VerdictOverridden) -> None:
    state.tasks[e.task_id].verdict = Verdict(e.ok, e.value, e.by)


def _prompt_baked(state: EngineState, e: ev.PromptBaked) -> None:
    task = state.tasks[e.task_id]
    kept = (baked for baked in task.baked if baked.attempt >= task.attempt and baked.attempt != e.attempt)
    task.baked = (*kept, Baked(e.attempt, e.prompt, e.system, e.no_system))


HANDLERS: dict[type[ev.Event], Callable[[EngineState, Any], None]] = {
    ev.RunStarted: _run_started,
    ev.RunRecovered: _run_recovered,
    ev.RunCancelRequested: _run_cancel_requested,
    ev.RunFinished: _run_finished,
    ev.TaskCreated: _task_created,
    ev.TaskAttemptStarted: _task_attempt_started,
    ev.WorkerOutput: _worker_output,
    ev.TaskCheckpoint: _task_checkpoint,
    ev.CallRecorded: _call_recorded,
    ev.TaskAttemptCompleted: _task_attempt_completed,
    ev.TaskAttemptInterrupted: _task_attempt_interrupted,
    ev.TaskPass: _task_pass,
    ev.TaskBlocked: _task_blocked,
    ev.TaskTimeout: _task_timeout,
    ev.TaskCancelled: _task_cancelled,
    ev.TimerStarted: _for_the_machine,
    ev.TimerFired: _for_the_machine,
    ev.SignalReceived: _for_the_machine,
    ev.ResourceSet: _resource_set,
    ev.LoopPaused: _loop_paused,
    ev.LoopResumed: _loop_resumed,
    ev.DirectiveInjected: _directive_injected,
    ev.VerdictOverridden: _verdict_overridden,
    ev.PromptBaked: _prompt_baked,
    **question_folds.HANDLERS,
    **session_folds.HANDLERS,
}


def fold(events: list[ev.Event]) -> EngineState:
    """The state after `events`."""
    state = EngineState()
    for event in events:
        state.apply(event)
    return state
