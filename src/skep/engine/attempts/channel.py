"""The engine's side of one running attempt: where its outputs come in (R-once, R-append, R-value)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from skep import values
from skep.core import events as ev
from skep.core import transitions
from skep.core.budget import Account
from skep.core.outputs import (
    Artifact,
    ContentRef,
    FileRef,
    Final,
    Inline,
    OutputEvent,
    Partial,
    Progress,
)
from skep.engine.acts.own import OwnActs
from skep.engine.attempts.calls import call_event, earlier_calls
from skep.engine.attempts.file_refs import take_in
from skep.engine.attempts.output_types import check_output
from skep.engine.attempts.set_aside import recall, reference_to, stage
from skep.engine.attempts.streamed_lines import encoded_lines
from skep.engine.questions.asks import Asks, read_ask
from skep.engine.questions.questions import Ask
from skep.errors import AttemptEnded, BadValue, LimitExceeded
from skep.journal.base import StreamBatch
from skep.workers.base import RecordedCall

if TYPE_CHECKING:
    from skep.core.tasks import TaskState
    from skep.engine.attempts.dispatch import Dispatcher


class Channel:
    """Implements `skep.workers.base.Attempt` for one attempt; closed when its worker has ended."""

    __slots__ = (
        "_asks",
        "_attempt",
        "_calls",
        "_checkpoints",
        "_closed",
        "_dispatcher",
        "_folders",
        "_inline_bytes",
        "_listens",
        "_streamed",
        "_task",
        "delivered",
        "timed",
    )

    def __init__(self, dispatcher: Dispatcher, task: TaskState, work_dir: str | None) -> None:
        self._dispatcher = dispatcher
        self._task = task
        self._attempt = task.attempt
        self._folders = (work_dir,) if work_dir is not None else ()
        self._closed = False
        self._inline_bytes = dispatcher.ledger.limits.inline_value_bytes
        self._calls = 0
        self._checkpoints = 0
        self._streamed = 0
        self._asks: Asks | None = None
        self._listens = False
        self.delivered: Final | None = None
        self.timed = True
        """Whether the attempt's deadline still means something."""

    def close(self) -> None:
        """The worker has ended; from here on only layers append."""
        self._closed = True
        if self._listens:
            self._dispatcher.ledger.waiters.wake(f"directives of {self._task.id}")

    def emit(self, event: OutputEvent, *, request: str | None = None) -> None:
        self._check_open()
        self._record((event,), by=None, request=request)

    def emit_many(self, events: Sequence[OutputEvent]) -> None:
        self._check_open()
        self._record(events, by=None)

    async def drained(self) -> None:
        await self._dispatcher.ledger.journal.drained()

    def deliver(self, final: Final) -> None:
        if self._closed:
            self._check_open()
        transitions.check_live(self._task, self._attempt)
        if self.delivered is not None:
            self._record_delivered()
        content = final.content
        if (
            final.ok is True
            and type(content) is Inline
            and len(memoryview(content.value)) <= self._inline_bytes
        ):
            self.delivered = final
        else:
            check_output(final)
            self.delivered = Final(self._delivered_content(content), final.ok)

    def _delivered_content(self, content: ContentRef) -> ContentRef:
        """As `_taken_in`, but what `deliver` gets was encoded, and so checked, by the spawner."""
        if type(content) is Inline:
            return self._dispatcher.ledger.store(bytes(content.value), self._task.log, self._task.id)
        return self._taken_in(content, remembered=True)

    def append(self, event: OutputEvent, *, by: str) -> None:
        self._record((event,), by=by, joined=True)

    async def durable(self) -> None:
        await self._dispatcher.ledger.flushed()

    def account(self) -> Account | None:
        run = self._dispatcher.ledger.state.runs.get(self._task.run_id or "")
        return run.account if run is not None else None

    def admit_folder(self, path: str) -> None:
        self._folders = (*self._folders, path)

    def checkpoint(self, value: Any) -> None:
        self._check_open()
        transitions.check_live(self._task, self._attempt)
        ledger = self._dispatcher.ledger
        data = values.encode(value, ledger.limits, where="checkpoint")
        if self._checkpoints >= ledger.limits.output_tail:
            raise LimitExceeded(
                "output_tail", ledger.limits.output_tail, where=f"checkpoints of {self._task.id}"
            )
        self._checkpoints += 1
        content = ledger.store(data, self._task.log, self._task.id, "checkpoint")
        event = ev.TaskCheckpoint(
            at=ledger.now(), task_id=self._task.id, attempt=self._attempt, value=content
        )
        ledger.commit(self._task.log, (event,))

    def record_call(self, call: RecordedCall) -> None:
        self._check_open()
        transitions.check_live(self._task, self._attempt)
        ledger = self._dispatcher.ledger
        if self._calls >= ledger.limits.recorded_calls:
            raise LimitExceeded(
                "recorded_calls", ledger.limits.recorded_calls, where=f"attempt of {self._task.id}"
            )
        self._calls += 1
        ledger.commit(self._task.log, (call_event(ledger, self._task, call),))

    async def recorded_calls(self) -> list[RecordedCall]:
        dispatcher, task = self._dispatcher, self._task
        return await earlier_calls(dispatcher.ledger.journal, task, dispatcher.questions.value)

    async def ask(
        self,
        question: Any,
        *,
        audience: str | Sequence[str] = "senior",
        schema: Any = None,
        deadline: float | None = None,
        default: Any = ...,
        approval: bool = False,
        allow_self: bool = False,
    ) -> Any:
        self._check_open()
        ask = read_ask(
            question,
            self._dispatcher.ledger.limits,
            audience=audience,
            schema=schema,
            deadline=deadline,
            default=default,
            approval=approval,
            allow_self=allow_self,
        )
        return await self.asks.answer(self.put_question(ask))

    def put_question(self, ask: Ask) -> str:
        """Ask for the attempt; the key, without waiting."""
        self._check_open()
        transitions.check_live(self._task, self._attempt)
        return self.asks.put(ask)

    @property
    def asks(self) -> Asks:
        """What this attempt has asked; kept from its first question on."""
        if self._asks is None:
            self._asks = Asks(self._dispatcher.questions, self._task)
        return self._asks

    async def offer(self, seat: str, payload: dict[str, Any]) -> None:
        task = self._task
        if task.final is not None:
            return  # accepted before anybody waited for it
        self._check_open()
        transitions.check_live(task, self._attempt)
        about = {"task_id": task.id, "attempt": self._attempt, "agent": task.agent}
        await self._dispatcher.questions.work.hold(task, seat, {**about, **payload})

    def conclude(self, final: Final, *, by: str | None = None, request: str | None = None) -> None:
        """Take the result of an offered attempt, from whoever holds it or from a principal: no other follows."""
        self._check_open()
        self._record((final,), by=by, request=request)

    async def next_directive(self, after: int) -> Any:
        task, dispatcher = self._task, self._dispatcher
        self._listens = True
        await dispatcher.ledger.waiters.until(
            f"directives of {task.id}", lambda: len(task.directives) > after or self._closed
        )
        self._check_open()
        await dispatcher.ledger.flushed()
        return await dispatcher.questions.value(task.directives[after], task.log)

    def set_aside(self, name: str, value: Any, *, by: str) -> str:
        self._record_delivered()
        ledger, task = self._dispatcher.ledger, self._task
        content = stage(ledger, task.log, value)
        event = transitions.record_output(
            task, self._attempt, Artifact(name, content), ledger.now(), by=by, limits=ledger.limits
        )
        ledger.commit(task.log, (event,))
        return reference_to(content)

    async def recall(self, reference: str) -> Any:
        return await recall(self._dispatcher.ledger, self._task.log, reference)

    async def joined(self, *, timed: bool = True) -> None:
        self.close()
        self.timed = self.timed and timed
        self._record_delivered()
        await self._dispatcher.ledger.flushed()

    def last_final(self) -> tuple[Any, bool] | None:
        final = self.delivered or self._task.final
        if final is None or type(final.content) is FileRef:
            return None
        return self._dispatcher.ledger.value(final.content, self._task.id), final.ok

    def final_ok(self) -> bool | None:
        final = self.delivered or self._task.final
        return final.ok if final is not None else None

    def acts(self) -> OwnActs:
        self._check_open()
        dispatcher, nonce = self._dispatcher, self._task.nonce
        return OwnActs(dispatcher.engine, dispatcher.tokens.grant(nonce or ""))

    def token_id(self) -> str:
        return hashlib.sha256((self._task.nonce or "").encode()).hexdigest()[:32]

    def token(self) -> str:
        return self._dispatcher.tokens.worker_token(self._task)

    def handle(self) -> str:
        if self._task.handle is None or self._task.nonce is None:
            raise AttemptEnded(
                "this worker was not given a handle", fix="only workers that pull their prompt have one"
            )
        return self._dispatcher.tokens.handle(self._task.nonce)

    def worker_url(self) -> str | None:
        return self._dispatcher.engine.worker_url

    def _check_open(self) -> None:
        if self._closed:
            raise AttemptEnded(f"attempt {self._attempt} of task {self._task.id} has ended")

    def _record_delivered(self) -> None:
        """A final that waited for the end stands before whatever comes after it."""
        if self.delivered is None:
            return
        waiting, self.delivered = self.delivered, None
        ledger, task = self._dispatcher.ledger, self._task
        event = transitions.record_output(task, self._attempt, waiting, ledger.now(), limits=ledger.limits)
        ledger.commit(task.log, (event,))

    def _record(
        self,
        events: Sequence[OutputEvent],
        *,
        by: str | None,
        request: str | None = None,
        joined: bool = False,
    ) -> None:
        self._record_delivered()
        task = self._task
        ledger = self._dispatcher.ledger
        now = ledger.now()
        recorded: list[ev.WorkerOutput] = []
        streamed: list[Progress | Partial] = []
        for event in events:
            if isinstance(event, (Progress, Partial)):
                streamed.append(event)
                continue
            check_output(event)
            if type(event) is Artifact:
                values.check_text(event.name, "artifact name")
            content = self._taken_in(event.content, remembered=type(event) is Final)
            output = msgspec.structs.replace(event, content=content)
            recorded.append(
                transitions.record_output(
                    task, self._attempt, output, now, by=by, request=request, limits=ledger.limits
                )
            )
        lines = encoded_lines(streamed)
        if lines:
            transitions.check_live(task, self._attempt)
        if recorded and task.work is not None and not joined:
            self._record_of_work(recorded, by, request)
        elif recorded:
            ledger.commit(task.log, recorded)
        if lines:
            self._stream(lines, now)

    def _record_of_work(self, outputs: list[ev.WorkerOutput], by: str | None, request: str | None) -> None:
        """Outputs of an offered attempt: its first accepted final is its join (R-once)."""
        finals = [at for at, output in enumerate(outputs) if type(output.event) is Final]
        if finals and finals[0] + 1 < len(outputs):
            raise AttemptEnded("the result of an offered attempt is its last output", fix="send it last")
        work = self._dispatcher.questions.work
        ended = work.concluded(self._task, outputs[-1].event.content, by, request) if finals else ()
        self._closed = self._closed or bool(ended)
        work.commit(self._task.log, (*outputs, *ended))

    def _taken_in(self, content: ContentRef, *, remembered: bool) -> ContentRef:
        """Content from outside, checked; large values and files become artifacts (R-value).

        `remembered` keeps the bytes of a large value at hand: those of a final.
        """
        ledger, task = self._dispatcher.ledger, self._task
        if type(content) is Inline:
            data = bytes(content.value)
            values.decode_untrusted(data, ledger.limits, where="output")
            return ledger.store(data, task.log, task.id if remembered else None)
        if type(content) is not FileRef:
            raise BadValue(
                "content of this kind is not for workers", where="output", fix="use Inline or FileRef"
            )
        for name in ("path", "mime"):
            if (text := getattr(content, name)) is not None:
                values.check_text(text, f"file_ref {name}")
        data = take_in(content, self._folders, ledger.limits)
        return msgspec.structs.replace(content, sha256=ledger.journal.stage_blob(data, log=task.log))

    def _stream(self, lines: list[bytes], now: int) -> None:
        task, attempt = self._task, self._attempt
        version = self._dispatcher.ledger.version(task.log)
        first = self._streamed + 1
        self._streamed += len(lines)
        batch = StreamBatch(task.id, attempt, first, version, now, lines)
        self._dispatcher.ledger.journal.stream(task.log, batch)
        self._dispatcher.subscriptions.streamed(task.log, batch)
