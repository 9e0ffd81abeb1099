"""Who has reserved a part of one run's budget, and who waits for one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from skep.clock import TimerHandle
from skep.core.budget import ARTIFACT, BY, NOTHING, Account, Amounts, Entry, Note
from skep.core.outputs import Artifact, Inline
from skep.engine.attempts.dispatch import JOIN_SLACK
from skep.errors import AttemptEnded, BudgetExhausted, LimitExceeded, SkepError
from skep.layers.line import Line
from skep.workers.base import Ctx
from skep.workers.layer_env import LayerEnv

log = logging.getLogger("skep.layers")

_ENCODER = msgspec.json.Encoder()

Kind = Literal["attempts", "milliseconds", "tokens", "money"]
_UNITS: dict[Kind, tuple[str, float]] = {
    "attempts": ("attempts", 1),
    "milliseconds": ("seconds", 1_000),
    "tokens": ("tokens", 1),
    "money": ("money", 1_000_000),
}


class Cap(Struct, frozen=True):
    """One limit; `reserve` is what each attempt takes until it is known, `None` all that is left."""

    kind: Kind
    limit: int
    reserve: int | None


class Place:
    """One attempt's part: what it holds while it runs, and what of that is counted if it is never heard of again."""

    __slots__ = ("_run", "_timer", "began", "caps", "ctx", "held", "reserved", "resumed")

    def __init__(self, ctx: Ctx, caps: tuple[Cap, ...]) -> None:
        self.ctx = ctx
        self.caps = caps
        self.reserved = Amounts(
            attempts=1, **{cap.kind: cap.reserve or 0 for cap in caps if cap.kind != "attempts"}
        )
        self.held = self.reserved
        self.began = 0
        self.resumed = False
        self._run: BudgetRun | None = None
        self._timer: TimerHandle | None = None

    @property
    def milliseconds(self) -> int | None:
        """How long the worker may run."""
        limited = any(cap.kind == "milliseconds" for cap in self.caps)
        return self.held.milliseconds if limited else None

    def account(self) -> Account:
        return self.ctx.channel.account() or Account()

    def taken(self, run: BudgetRun, now: int) -> None:
        self._run = run
        self.began = now
        patience = int((self.ctx.grace + JOIN_SLACK) * 1000)
        self.ctx.cancel_token.on_cancel(lambda _: self._give_up_after(patience))

    def settle(self, *, failed: bool) -> None:
        """The worker has ended: what it took is known, but for what a failed one did not report."""
        run = self._run
        if run is None:
            return
        entry = self.account().entries.get(self.ctx.task_id)
        took = run.clock.now_ms() - self.began
        if self.resumed and self.held.milliseconds:
            took = min(took, self.held.milliseconds)  # the host was down meanwhile
        usage = entry.usage if entry is not None else None
        unclear = entry is not None and entry.unclear
        if unclear and usage is None:
            log.warning(
                "budget: what %s reports as usage is not understood: its reserve counts", self.ctx.agent
            )
        unknown = self.reserved if failed or unclear else NOTHING
        self.leave(
            Amounts(
                attempts=1,
                milliseconds=took,
                tokens=usage.tokens if usage is not None else unknown.tokens,
                money=usage.money if usage is not None else unknown.money,
            )
        )

    def leave(self, spent: Amounts) -> None:
        """Record what was spent, and let others have the rest."""
        run, self._run = self._run, None
        if run is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        try:
            append(self.ctx, Note(spent=spent))
        except (AttemptEnded, LimitExceeded) as error:
            log.warning("budget of run %s: %s; its reservation stays counted", self.ctx.run_id, error)
        finally:
            run.left(self)

    def _give_up_after(self, milliseconds: int) -> None:
        if self._run is not None:
            clock = self._run.clock
            self._timer = clock.call_at(clock.now_ms() + milliseconds, self._give_up)

    def _give_up(self) -> None:
        """The engine goes on without the worker; its reservation stays counted."""
        run, self._run = self._run, None
        if run is not None:
            run.left(self)


class BudgetRun:
    """The attempts of one run that live in this process; `idle` is called when there are none."""

    def __init__(self, env: LayerEnv, idle: Callable[[], object]) -> None:
        self.clock = env.clock
        self._idle = idle
        self._live: dict[str, Place] = {}
        self._line: Line[Place] = Line("layer_waiting", env.limits.layer_waiting, self._let_in)

    async def enter(self, place: Place) -> Place:
        """Reserve for an attempt, if need be when others have ended.

        Raises:
            BudgetExhausted: it does not fit.
            LimitExceeded: too many wait.
        """
        ctx = place.ctx
        try:
            child = ctx.step_key is None  # its parent would wait for it, and it perhaps for its parent
            if (child or not self._line) and self._fits(place, may_not_wait=child):
                self._take(place)
                return place
        except BaseException:
            self._rest()
            raise
        await self._line.wait(place, ctx.cancel_token, lambda: place.leave(NOTHING))
        return place

    def left(self, place: Place) -> None:
        """An attempt has ended, or was given up."""
        if self._live.get(place.ctx.task_id) is place:
            del self._live[place.ctx.task_id]
        self._let_in()

    def _let_in(self) -> None:
        while (place := self._line.first()) is not None:
            try:
                if not self._fits(place, may_not_wait=False):
                    break
                self._take(place)
            except SkepError as error:
                self._line.refuse(error)
            else:
                self._line.let_in()
        self._rest()

    def _rest(self) -> None:
        if not self._live and not self._line:
            self._idle()

    def _fits(self, place: Place, *, may_not_wait: bool) -> bool:
        """Whether there is room now.

        Raises:
            BudgetExhausted: there never will be, or none now for who may not wait.
        """
        account = place.account()
        stands = _same(account.entries.get(place.ctx.task_id), place.ctx)
        spent, reserved = self._sums(account)
        room = True
        held: dict[str, int] = {}
        for cap in place.caps:
            gone, others = getattr(spent, cap.kind), getattr(reserved, cap.kind)
            need = held[cap.kind] = cap.reserve if cap.reserve is not None else max(1, cap.limit - gone)
            if not stands and (
                gone + need > cap.limit or (may_not_wait and gone + others + need > cap.limit)
            ):
                raise _exhausted(cap, gone, others)
            room = room and gone + others + need <= cap.limit
        place.held = Amounts(**held)
        return room or stands

    def _sums(self, account: Account) -> tuple[Amounts, Amounts]:
        """What is spent for good, and what attempts hold that live."""
        spent, reserved = account.settled, NOTHING
        for task_id, entry in account.entries.items():
            place = self._live.get(task_id)
            if place is None or not _same(entry, place.ctx):
                spent = spent.plus(entry.counted)
            else:
                reserved = reserved.plus(place.held.at_least(entry.counted))
        return spent, reserved

    def _take(self, place: Place) -> None:
        """Record the reservation; one that stands from before a restart goes on."""
        ctx = place.ctx
        entry = place.account().entries.get(ctx.task_id)
        now = self.clock.now_ms()
        if entry is not None and _same(entry, ctx):
            place.resumed = True
            now = entry.at
        else:
            append(ctx, Note(reserved=place.reserved))
        self._live[ctx.task_id] = place
        place.taken(self, now)


def append(ctx: Ctx, note: Note) -> None:
    """Record under the engine's own authority (R-append)."""
    ctx.channel.append(Artifact(ARTIFACT, Inline(Raw(_ENCODER.encode(note)))), by=BY)


def _same(entry: Entry | None, ctx: Ctx) -> bool:
    return entry is not None and entry.attempt == ctx.attempt


def _exhausted(cap: Cap, spent: int, reserved: int) -> BudgetExhausted:
    name, unit = _UNITS[cap.kind]
    said = f"{spent / unit:g} of {cap.limit / unit:g} spent"
    if reserved:
        said += f", {reserved / unit:g} reserved by others"
    if cap.reserve is not None and cap.kind != "attempts":
        said += f", an attempt reserves {cap.reserve / unit:g}"
    return BudgetExhausted(name, said)
