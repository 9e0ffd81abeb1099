"""The engine's side of an attempt, played for tests of spawners and layers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from skep import values
from skep.core.budget import Account, note_artifact
from skep.core.events import WorkerOutput
from skep.core.outputs import Artifact, Final, Inline, OutputEvent, inline
from skep.errors import AttemptEnded, QuestionClosed, ResourceNotFound
from skep.testing.workers.acts import FakeActs
from skep.workers.base import CancelToken, Ctx, RecordedCall


class FakeLedger:
    """What the attempts of one run share; `now_ms` dates what they record."""

    def __init__(self, now_ms: Callable[[], int] = lambda: 0) -> None:
        self.account: Account | None = None
        self.now_ms = now_ms


class FakeAttempt:
    """Implements `skep.workers.base.Attempt`: keeps what it is given, and can be closed as the engine would.

    `outputs` are the events in order, `appended` those of layers as `(event, by)`, `checkpoints` the values,
    `calls` those recorded to be replayed (`earlier_calls` by an attempt before), `asked` the questions. `answers`
    are given to questions in their order, `directives` by their number. `offered` are the seats and payloads of
    offers; `operator(attempt, payload)` works on them, without one they wait for ever. `own_acts` has the children
    and the resources, `kept` the values set aside by reference.
    """

    operator: Callable[[FakeAttempt, dict[str, Any]], object] | None = None

    def __init__(self, answers: Sequence[Any] = (), directives: Sequence[Any] = ()) -> None:
        self.asked: list[Any] = []
        self.offered: list[tuple[str, dict[str, Any]]] = []
        self._answers = list(answers)
        self._directives = list(directives)
        self.outputs: list[OutputEvent] = []
        self.appended: list[tuple[OutputEvent, str]] = []
        self.checkpoints: list[Any] = []
        self.calls: list[RecordedCall] = []
        self.earlier_calls: list[RecordedCall] = []
        self.own_acts = FakeActs()
        self.kept: dict[str, Any] = {}
        self.folders: list[str] = []
        self.closed = False
        self.timed = True
        self.ledger = FakeLedger()
        self.of = ("T-0000000000000001", 1)
        self._final: Final | None = None

    def emit(self, event: OutputEvent) -> None:
        self.emit_many((event,))

    def emit_many(self, events: Sequence[OutputEvent]) -> None:
        self._check_open()
        for event in events:
            self.outputs.append(event)
            self._decide(event)
            self._note(event, None)

    async def drained(self) -> None:
        """Nothing waits here."""

    def deliver(self, final: Final) -> None:
        self.emit(final)

    def checkpoint(self, value: Any) -> None:
        self._check_open()
        self.checkpoints.append(values.decode(values.encode(value, where="checkpoint")))

    def record_call(self, call: RecordedCall) -> None:
        self._check_open()
        self.calls.append(call)

    async def recorded_calls(self) -> list[RecordedCall]:
        return list(self.earlier_calls)

    def append(self, event: OutputEvent, *, by: str) -> None:
        self.appended.append((event, by))
        self._decide(event)
        self._note(event, by)

    async def durable(self) -> None:
        """Everything is."""

    def account(self) -> Account | None:
        return self.ledger.account

    async def ask(self, question: Any, **_how: Any) -> Any:
        self._check_open()
        self.asked.append(question)
        if not self._answers:
            raise QuestionClosed("nobody answers here", fix="give FakeAttempt the answers")
        return self._answers.pop(0)

    async def offer(self, seat: str, payload: dict[str, Any]) -> None:
        self._check_open()
        self.offered.append((seat, payload))
        if self.operator is not None:
            self.operator(self, payload)
        if self._final is None:
            await asyncio.Event().wait()

    async def next_directive(self, after: int) -> Any:
        if after >= len(self._directives):
            await asyncio.Event().wait()
        return self._directives[after]

    def set_aside(self, name: str, value: Any, *, by: str) -> str:
        content = inline(value)
        self.append(Artifact(name, content), by=by)
        reference = f"out-{values.digest(bytes(content.value))}"
        self.kept[reference] = value
        return reference

    async def recall(self, reference: str) -> Any:
        if reference not in self.kept:
            raise ResourceNotFound(f"this run has no output {reference}")
        return self.kept[reference]

    async def joined(self, *, timed: bool = True) -> None:
        self.timed = self.timed and timed
        self.close()

    def last_final(self) -> tuple[Any, bool] | None:
        if self._final is None or not isinstance(self._final.content, Inline):
            return None
        return values.decode(self._final.content.value), self._final.ok

    def final_ok(self) -> bool | None:
        return None if self._final is None else self._final.ok

    def acts(self) -> FakeActs:
        self._check_open()
        return self.own_acts

    def admit_folder(self, path: str) -> None:
        self.folders.append(path)

    def token_id(self) -> str:
        return "0" * 32

    def token(self) -> str:
        return "token"

    def handle(self) -> str:
        return "wh-" + "0" * 32

    def worker_url(self) -> None:
        return None

    @property
    def finals(self) -> list[tuple[Any, bool]]:
        """`(value, ok)` of every inline `final` that the worker emitted."""
        return [
            (values.decode(event.content.value), event.ok)
            for event in self.outputs
            if isinstance(event, Final) and isinstance(event.content, Inline)
        ]

    def close(self) -> None:
        """End the attempt: from here on the worker's output is `AttemptEnded`."""
        self.closed = True

    def _check_open(self) -> None:
        if self.closed:
            raise AttemptEnded("the attempt has ended")

    def _decide(self, event: OutputEvent) -> None:
        if isinstance(event, Final):
            self._final = event

    def _note(self, event: OutputEvent, by: str | None) -> None:
        if isinstance(event, Artifact):
            ledger, (task_id, attempt) = self.ledger, self.of
            output = WorkerOutput(at=ledger.now_ms(), task_id=task_id, attempt=attempt, event=event, by=by)
            ledger.account = note_artifact(ledger.account, output)


def make_ctx(given: Any = None, *, channel: FakeAttempt | None = None, **fields: Any) -> Ctx:
    """A `Ctx` as the engine makes it for the step input `given`; `fields` replace the defaults.

    >>> make_ctx({"n": 1}).prompt, make_ctx("hello").prompt
    ('{"n":1}', 'hello')
    """
    data = values.canonical(given)
    ctx = Ctx(
        task_id="T-0000000000000001",
        attempt=1,
        agent="tester",
        prompt=given if isinstance(given, str) else data.decode(),
        input=values.decode(data),
        idempotency_key="run-0000000000000001:0",
        cancel_token=CancelToken(),
        channel=channel if channel is not None else FakeAttempt(),
        run_id="run-0000000000000001",
        step_key="0",
    )
    return ctx.replace(**fields)
