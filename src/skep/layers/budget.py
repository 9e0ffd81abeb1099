"""`budget`: what the attempts of one run may take together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Annotated, Any

from msgspec import Meta, Struct

from skep.core.budget import Amounts
from skep.core.usage import MICROS
from skep.flow.catalog import HintInfo
from skep.flow.problems import Problem, inside
from skep.layers.base import Around
from skep.layers.budget_runs import BudgetRun, Cap, Place
from skep.layers.budget_timer import Allowance
from skep.layers.options import check_of, read_options
from skep.workers.base import Ctx, Outcome, Spawner, Worker, wrap_join
from skep.workers.layer_env import LayerEnv

MS = 1_000

Count = Annotated[int, Meta(ge=0, le=2**53)]
Measure = Annotated[float, Meta(ge=0, le=1e9)]


class Reserve(Struct, frozen=True, kw_only=True):
    """What one attempt is taken to need, until it is known."""

    seconds: Measure | None = None
    tokens: Count | None = None
    money: Measure | None = None


class BudgetOptions(Struct, frozen=True, kw_only=True):
    """Limits of one run; none: no limit."""

    attempts: Count | None = None
    seconds: Measure | None = None
    """The sum over all attempts, from a worker's start to its end."""
    tokens: Count | None = None
    money: Measure | None = None
    """In whatever unit workers report it."""
    reserve: Reserve = Reserve()
    """For each attempt; what is not said of something limited: all that is left, so one attempt at a time."""


def _sensible(options: BudgetOptions, place: str) -> Iterator[Problem]:
    limits = {name: getattr(options, name) for name in ("attempts", "seconds", "tokens", "money")}
    if all(limit is None for limit in limits.values()):
        yield Problem(place, "E-FIELD-MISSING", "limits nothing", "set attempts, seconds, tokens or money")
    for name in ("seconds", "tokens", "money"):
        reserve = getattr(options.reserve, name)
        where = inside(inside(place, "reserve"), name)
        if reserve is None:
            continue
        if limits[name] is None:
            yield Problem(where, "E-FIELD-FORM", f"{name} has no limit", f"set {name}, or leave this out")
        elif not 0 < reserve <= limits[name]:
            yield Problem(where, "E-FIELD-RANGE", f"is not between 0 and the limit of {name}", "reserve less")


HINT = HintInfo(
    key="budget",
    what="what the attempts of one run may take together",
    check=check_of(BudgetOptions, _sensible),
    untrusted_keys=frozenset({"attempts", "seconds", "tokens", "money", "reserve"}),
)


class Budget:
    """The layer and what its copies share: who runs and who waits, by run.

    An attempt reserves before it starts. One that cannot fit any more, whatever the others turn out to need, is
    refused with `BudgetExhausted`; one that could still fit waits until others have ended, unless it is a child
    (its parent may be what it would wait for). What was reserved and spent stands in the run's journal.
    """

    def __init__(self) -> None:
        self._runs: dict[str, BudgetRun] = {}

    def factory(self, options: Mapping[str, Any], env: LayerEnv) -> BudgetLayer:
        """See `skep.layers.registry.Factory`."""
        return BudgetLayer(self, read_options(BudgetOptions, options), env)

    def run(self, run_id: str, env: LayerEnv) -> BudgetRun:
        """Who runs and who waits of a run; kept while somebody does."""
        run = self._runs.get(run_id)
        if run is None:
            run = self._runs[run_id] = BudgetRun(env, lambda: self._runs.pop(run_id, None))
        return run


class BudgetLayer:
    """The layer around one agent."""

    name = "budget"

    def __init__(self, shared: Budget, options: BudgetOptions, env: LayerEnv) -> None:
        self._shared = shared
        self._caps = tuple(_caps(options))
        self._env = env

    def __call__(self, inner: Spawner) -> Spawner:
        return _Budgeted(inner, self._shared, self._caps, self._env)


def _caps(options: BudgetOptions) -> Iterator[Cap]:
    if options.attempts is not None:
        yield Cap("attempts", options.attempts, 1)
    if options.seconds is not None:
        yield Cap("milliseconds", ceil(options.seconds * MS), _units(options.reserve.seconds, MS))
    if options.tokens is not None:
        yield Cap("tokens", options.tokens, options.reserve.tokens)
    if options.money is not None:
        yield Cap("money", ceil(options.money * MICROS), _units(options.reserve.money, MICROS))


def _units(amount: float | None, unit: int) -> int | None:
    return None if amount is None else ceil(amount * unit)


class _Budgeted(Around):
    def __init__(self, inner: Spawner, shared: Budget, caps: tuple[Cap, ...], env: LayerEnv) -> None:
        super().__init__(inner)
        self._shared = shared
        self._caps = caps
        self._env = env

    async def spawn(self, ctx: Ctx) -> Worker:
        if ctx.run_id is None:
            return await self.inner.spawn(ctx)
        place = await self._shared.run(ctx.run_id, self._env).enter(Place(ctx, self._caps))
        allowance = Allowance(place, self._env.clock)
        try:
            if not self.inner.runs_ahead:
                await ctx.channel.durable()
            worker = await self.inner.spawn(allowance.begin(ctx))

            async def ended(outcome: Outcome) -> Outcome:
                outcome = allowance.end(outcome)
                place.settle(failed=outcome is not None)
                return outcome

            return wrap_join(worker, ended, name=BudgetLayer.name)
        except BaseException:
            allowance.end(None)
            place.leave(Amounts())
            raise
