"""What keeps a worker to the seconds that its attempt has reserved."""

from __future__ import annotations

from skep.clock import Clock, TimerHandle
from skep.errors import BudgetExhausted
from skep.layers.budget_runs import Place
from skep.workers.base import CancelToken, Ctx, Outcome

REASON = "budget_exhausted"


class Allowance:
    """One attempt's time: when it is over, the worker is told to end."""

    __slots__ = ("_cancel", "_clock", "_place", "_timer")

    def __init__(self, place: Place, clock: Clock) -> None:
        self._place = place
        self._clock = clock
        self._timer: TimerHandle | None = None
        self._cancel: CancelToken | None = None

    def begin(self, ctx: Ctx) -> Ctx:
        """The time begins. A worker whose time is limited gets a cancel token of its own."""
        allowed = self._place.milliseconds
        if allowed is None:
            return ctx
        cancel = self._cancel = CancelToken()
        ctx.cancel_token.on_cancel(cancel.cancel)
        self._timer = self._clock.call_at(self._clock.now_ms() + allowed, lambda: cancel.cancel(REASON))
        return ctx.replace(cancel_token=cancel)

    def end(self, outcome: Outcome) -> Outcome:
        """How the attempt ends, if its worker ended like this."""
        if self._timer is not None:
            self._timer.cancel()
        if outcome is None or self._cancel is None or self._cancel.reason != REASON:
            return outcome
        return BudgetExhausted(
            "seconds", f"{(self._place.milliseconds or 0) / 1000:g} s were left for this attempt"
        )
