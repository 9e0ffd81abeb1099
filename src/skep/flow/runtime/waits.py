"""The nodes that wait for something outside that is no step: `ask` and `wait`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skep import values
from skep.errors import AnswerTimeout, LimitExceeded
from skep.flow.inputs import Answered, AskWant, Signalled, SignalWant, TimerFired, TimerWant, Unanswered
from skep.flow.path import compile_write
from skep.flow.runtime.faults import Raised
from skep.flow.runtime.frames import Fault
from skep.flow.runtime.leaves import check_size
from skep.flow.runtime.ops import DONE, WAIT, Op, Run
from skep.flow.waiting import duration, moment

if TYPE_CHECKING:
    from skep.flow.evaluate import Evaluate
    from skep.flow.nodes import Ask
    from skep.flow.path import Path
    from skep.flow.runtime.frames import Lane


class AskOp(Op):
    """Wants an answer, which `settle` writes."""

    __slots__ = ("ask", "question", "write")

    def __init__(self, ask: Ask, question: Evaluate) -> None:
        super().__init__()
        self.ask = ask
        self.write = compile_write(ask.out)
        self.question = question

    def enter(self, run: Run, lane: Lane, /) -> Op:
        question = self.question(lane.ctx)
        check_size(question, run.limits)
        ask = self.ask
        data = values.canonical([ask.audience, question, ask.schema])
        if len(data) > run.limits.max_question_bytes:
            raise LimitExceeded(
                "max_question_bytes", run.limits.max_question_bytes, fix="ask less, or name a file"
            )
        run.await_outside(
            lane,
            self,
            AskWant(
                lane.key,
                question,
                ask.audience,
                ask.schema,
                ask.deadline,
                ask.on_timeout,
                ask.approval,
                ask.allow_self,
                values.digest(data),
            ),
        )
        return WAIT

    def settle(self, lane: Lane, event: Answered | Unanswered) -> None:
        """Write the answer.

        Raises:
            Raised: there was none.
            EvalError: `out` does not fit the ctx.
        """
        if isinstance(event, Unanswered):
            raise Raised(Fault(AnswerTimeout.code, event.message, event.key, _TIMEOUT_FIX))
        lane.ctx = self.write(lane.ctx, event.value)


_TIMEOUT_FIX = "give it a later deadline, or on_timeout: {value: ...}"


class DurationOp(Op):
    __slots__ = ("seconds",)

    def __init__(self, seconds: Evaluate) -> None:
        super().__init__()
        self.seconds = seconds

    def enter(self, run: Run, lane: Lane, /) -> Op:
        run.await_outside(lane, self, TimerWant(lane.key, seconds=duration(self.seconds(lane.ctx))))
        return WAIT

    def settle(self, _lane: Lane, _event: TimerFired) -> None:
        """The lane goes on; a time brings nothing."""


class MomentOp(Op):
    __slots__ = ("until",)

    def __init__(self, until: Evaluate) -> None:
        super().__init__()
        self.until = until

    def enter(self, run: Run, lane: Lane, /) -> Op:
        run.await_outside(lane, self, TimerWant(lane.key, until=moment(self.until(lane.ctx))))
        return WAIT

    def settle(self, _lane: Lane, _event: TimerFired) -> None:
        """The lane goes on; a moment brings nothing."""


class SignalOp(Op):
    """Takes the next signal of its name, one that has come early first."""

    __slots__ = ("name", "write")

    def __init__(self, name: str, out: Path | None) -> None:
        super().__init__()
        self.name = name
        self.write = None if out is None else compile_write(out)

    def enter(self, run: Run, lane: Lane, /) -> Op:
        kept = run.take_signal(self.name)
        if kept is None:
            run.await_outside(lane, self, SignalWant(lane.key, self.name))
            return WAIT
        self._write(lane, *kept)
        return DONE

    def settle(self, lane: Lane, event: Signalled) -> None:
        """Write the signal's value.

        Raises:
            EvalError: `out` does not fit the ctx.
        """
        self._write(lane, event.value)

    def _write(self, lane: Lane, value: object) -> None:
        if self.write is not None:
            lane.ctx = self.write(lane.ctx, value)
