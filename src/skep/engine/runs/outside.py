"""What the flow of one run waits for from outside: answers, moments, signals (DESIGN section 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skep import values
from skep.clock import TimerHandle
from skep.core import events as ev
from skep.core import questions
from skep.core.outputs import Inline
from skep.errors import LimitExceeded, SkepError
from skep.flow.inputs import AskWant, Changes, TimerWant
from skep.ids import new_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skep.engine.ledger import Ledger
    from skep.flow.machine import Machine

Commit = Callable[["Sequence[ev.Event]"], int]


class Outside:
    """Makes what the machine wants of the outside exist, and takes back what it wants no more."""

    def __init__(
        self,
        run_id: str,
        ledger: Ledger,
        machine: Machine,
        *,
        commit: Commit,
        launch: Callable[[], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        self._run_id = run_id
        self._log = f"run:{run_id}"
        self._ledger = ledger
        self._machine = machine
        self._commit = commit
        self._launch = launch
        self._broken = broken
        self._due: dict[str, int] = {}
        """When each `wait` for a time goes on, by step key."""
        self._timers: dict[str, TimerHandle] = {}
        self.signals: set[str] = set()
        """Keys of the nodes that wait for a signal."""

    @property
    def has_timers(self) -> bool:
        return bool(self._due)

    # -- carrying out --------------------------------------------------------------------------

    def carry_out(self, changes: Changes) -> None:
        """What one input to the machine changed."""
        self.follow(changes)
        for key in changes.withdrawn:
            self._withdraw(key)
        for want in changes.asks:
            self.ask(want)
        for timer in changes.timers:
            self.start(timer)

    def follow(self, changes: Changes) -> None:
        """Keep the books only: what a replayed input changed."""
        for key in changes.withdrawn:
            self._forget(key)
        self.signals.difference_update(changes.withdrawn)
        self.signals.update(want.key for want in changes.signals)

    def ask(self, want: AskWant) -> None:
        """Ask a question of the flow."""
        ledger, now = self._ledger, self._ledger.now()
        on_timeout = want.on_timeout
        asking = questions.Asking(
            question=self._content(want.question),
            digest=want.digest,
            audience=want.audience,
            what="approval" if want.approval else "ask",
            schema=Inline(values.raw(values.canonical(want.schema))) if want.schema is not None else None,
            deadline=now + int(want.deadline * 1000) if want.deadline is not None else None,
            on_timeout=self._content(on_timeout["value"]) if isinstance(on_timeout, dict) else None,
            allow_self=want.allow_self,
        )
        key = new_key()
        self._commit((questions.ask_for_run(key, self._run_id, want.key, asking, now),))
        ledger.counters["questions_asked"] += 1

    def start(self, want: TimerWant) -> None:
        """Start a timer of the flow."""
        now = self._ledger.now()
        due = want.until if want.until is not None else now + int((want.seconds or 0) * 1000)
        self._commit((ev.TimerStarted(at=now, run_id=self._run_id, key=want.key, due=due),))
        self.arm(want.key)

    def arm(self, key: str) -> None:
        """Let a timer that is recorded fire when it is due."""
        self._timers[key] = self._ledger.clock.call_at(self._due[key], lambda: self._fire(key))

    def is_started(self, key: str) -> bool:
        """Whether a timer is recorded."""
        return key in self._due

    def signal(self, name: str, content: Any, by: str, request: str | None = None) -> None:
        """A signal has come in for the flow.

        Raises:
            LimitExceeded: `max_signals` have come early and wait already.
        """
        limit = self._ledger.limits.max_signals
        if self._machine.kept_signals >= limit and not self._machine.awaits_signal(name):
            raise LimitExceeded("max_signals", limit, where=self._log, fix="nothing waits for these signals")
        event = ev.SignalReceived(
            at=self._ledger.now(), run_id=self._run_id, name=name, by=by, value=content, request=request
        )
        self._commit((event,))

    def observe(self, event: ev.Event) -> None:
        """A timer of this run was recorded."""
        if isinstance(event, ev.TimerStarted):
            self._due[event.key] = event.due
        elif isinstance(event, ev.TimerFired):
            self._forget(event.key)

    def stop(self) -> None:
        """Let nothing fire any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    # -- inside --------------------------------------------------------------------------------

    def _withdraw(self, key: str) -> None:
        state = self._ledger.state
        question = state.questions.get(state.runs[self._run_id].asks.get(key, ""))
        if question is not None:
            self._commit(questions.close(question, None, "withdrawn", self._ledger.now()))

    def _forget(self, key: str) -> None:
        self._due.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _fire(self, key: str) -> None:
        if key not in self._due:
            return
        try:
            self._commit((ev.TimerFired(at=self._ledger.now(), run_id=self._run_id, key=key),))
            self._launch()
        except SkepError as error:
            self._broken(error)

    def _content(self, value: Any) -> Any:
        return self._ledger.store(values.canonical(value), self._log)
