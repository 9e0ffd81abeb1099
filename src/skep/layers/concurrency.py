"""`concurrency`: at most so many attempts of an agent at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from skep.clock import Clock, TimerHandle
from skep.engine.attempts.dispatch import JOIN_SLACK
from skep.flow.catalog import HintInfo
from skep.flow.problems import Problem, inside
from skep.layers.base import Around
from skep.layers.line import Line
from skep.layers.options import check_of, read_options
from skep.workers.base import Ctx, Outcome, Spawner, Worker, wrap_join
from skep.workers.layer_env import LayerEnv

Many = Annotated[int, Meta(ge=1, le=1_000_000)]


class ConcurrencyOptions(Struct, frozen=True, kw_only=True):
    """How many attempts of an agent run at once."""

    max: Many | None = None
    """Of each agent; none: no limit for those that `agents` does not name."""
    agents: dict[str, Many] = {}
    """Of single agents, in place of `max`."""


def _says_something(options: ConcurrencyOptions, place: str) -> Iterator[Problem]:
    if options.max is None and not options.agents:
        yield Problem(inside(place, "max"), "E-FIELD-MISSING", "limits nothing", "set max, or agents")


HINT = HintInfo(
    key="concurrency",
    what="at most so many attempts of an agent at once",
    check=check_of(ConcurrencyOptions, _says_something),
    untrusted_keys=frozenset({"max", "agents"}),
)


class Concurrency:
    """The layer and what its copies share: one line for each agent's name, whatever run an attempt is of.

    An attempt has its slot from its start to its worker's end, also while it waits for an answer, and waits for
    one in order of arrival; its own timeout runs meanwhile. It begins when fewer attempts of the agent run than
    its own Blueprint allows. One that is given up gives its slot back then. Blueprints of strangers have lines of
    their own: they choose how few may run, and others would wait for them.
    """

    def __init__(self) -> None:
        self._agents: dict[tuple[str, bool], _Slots] = {}

    def factory(self, options: Mapping[str, Any], env: LayerEnv) -> ConcurrencyLayer:
        """See `skep.layers.registry.Factory`."""
        return ConcurrencyLayer(self, read_options(ConcurrencyOptions, options), env)

    def slots(self, env: LayerEnv) -> _Slots:
        """The slots of an agent; kept while one is taken or waited for."""
        key = (env.agent.name, env.trusted)
        slots = self._agents.get(key)
        if slots is None:
            slots = self._agents[key] = _Slots(env.limits.layer_waiting, lambda: self._agents.pop(key, None))
        return slots


class ConcurrencyLayer:
    """The layer around one agent."""

    name = "concurrency"

    def __init__(self, shared: Concurrency, options: ConcurrencyOptions, env: LayerEnv) -> None:
        self._shared = shared
        self._options = options
        self._env = env

    def __call__(self, inner: Spawner) -> Spawner:
        most = self._options.agents.get(self._env.agent.name, self._options.max)
        return inner if most is None else _Limited(inner, self._shared, most, self._env)


class _Slots:
    """Who runs and who waits, of one agent; `idle` is called when nobody does either."""

    __slots__ = ("_idle", "_taken", "line")

    def __init__(self, waiting: int, idle: Callable[[], object]) -> None:
        self._taken = 0
        self._idle = idle
        self.line: Line[int] = Line("layer_waiting", waiting, self._let_in)

    async def take(self, most: int, ctx: Ctx) -> None:
        if self._taken < most and not self.line:
            self._taken += 1
            return
        await self.line.wait(most, ctx.cancel_token, self.give_back)

    def give_back(self) -> None:
        self._taken -= 1
        self._let_in()

    def _let_in(self) -> None:
        while (most := self.line.first()) is not None and self._taken < most:
            self._taken += 1
            self.line.let_in()
        if not self._taken and not self.line:
            self._idle()


class _Slot:
    """One attempt's slot, given back once: at its worker's end, or when the engine has given the worker up."""

    __slots__ = ("_slots", "_timer")

    def __init__(self, slots: _Slots) -> None:
        self._slots: _Slots | None = slots
        self._timer: TimerHandle | None = None

    def give_back(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.give_back()
        if self._timer is not None:
            self._timer.cancel()

    def give_back_after(self, seconds: float, clock: Clock) -> None:
        if self._slots is not None:
            self._timer = clock.call_at(clock.now_ms() + int(seconds * 1000), self.give_back)


class _Limited(Around):
    def __init__(self, inner: Spawner, shared: Concurrency, most: int, env: LayerEnv) -> None:
        super().__init__(inner)
        self._shared = shared
        self._most = most
        self._clock = env.clock
        self._env = env

    async def spawn(self, ctx: Ctx) -> Worker:
        slots = self._shared.slots(self._env)
        await slots.take(self._most, ctx)
        slot = _Slot(slots)
        patience = ctx.grace + JOIN_SLACK
        ctx.cancel_token.on_cancel(lambda _: slot.give_back_after(patience, self._clock))
        try:
            worker = await self.inner.spawn(ctx)

            async def ended(outcome: Outcome) -> Outcome:
                slot.give_back()
                return outcome

            return wrap_join(worker, ended, name=ConcurrencyLayer.name)
        except BaseException:
            slot.give_back()
            raise
