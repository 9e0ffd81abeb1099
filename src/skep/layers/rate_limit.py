"""`rate_limit`: an agent's attempts begin no faster than so many a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import ceil
from typing import Annotated, Any

from msgspec import Meta, Struct

from skep.clock import Clock, TimerHandle
from skep.errors import LimitExceeded
from skep.flow.catalog import HintInfo
from skep.flow.problems import Problem, inside
from skep.layers.base import Around
from skep.layers.line import Line
from skep.layers.options import check_of, read_options
from skep.workers.base import Ctx, Spawner, Worker
from skep.workers.layer_env import LayerEnv

NS_PER_MS = 1_000_000
NS_PER_SECOND = 1_000_000_000

Often = Annotated[float, Meta(gt=0, le=100_000)]
Burst = Annotated[int, Meta(ge=1, le=1_000_000)]


class Rate(Struct, frozen=True, kw_only=True):
    """How fast attempts may begin: one of the two, and how many may begin at once after a pause."""

    per_second: Often | None = None
    per_minute: Often | None = None
    burst: Burst = 1


class RateLimitOptions(Rate, frozen=True, kw_only=True):
    """The rate of each agent; neither of the two: no limit for those that `agents` does not name."""

    agents: dict[str, Rate] = {}
    """Of single agents, in place of it."""


def _one_rate(options: RateLimitOptions, place: str) -> Iterator[Problem]:
    rates = [(inside(inside(place, "agents"), agent), rate) for agent, rate in options.agents.items()]
    if not rates or options.per_second is not None or options.per_minute is not None:
        rates.append((place, options))
    for where, rate in rates:
        if (rate.per_second is None) == (rate.per_minute is None):
            message = "a rate is per_second or per_minute, and one of them"
            yield Problem(where, "E-FIELD-FORM", message, "write it like per_second: 5")


HINT = HintInfo(
    key="rate_limit",
    what="an agent's attempts begin no faster than so many a second",
    check=check_of(RateLimitOptions, _one_rate),
    untrusted_keys=frozenset({"per_second", "per_minute", "burst", "agents"}),
)


class RateLimit:
    """The layer and what its copies share: one bucket for each agent's name, whatever run an attempt is of.

    Blueprints of strangers have buckets of their own: they choose their rates, and others would wait for them.

    In any stretch of time no more attempts begin than `burst` and the rate allow; the rest wait in order of
    arrival while their own timeout runs. Buckets are of this process and full when it begins.
    """

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, bool], _Bucket] = {}

    def factory(self, options: Mapping[str, Any], env: LayerEnv) -> RateLimitLayer:
        """See `skep.layers.registry.Factory`."""
        return RateLimitLayer(self, read_options(RateLimitOptions, options), env)

    def bucket(self, agent: str, env: LayerEnv) -> _Bucket:
        """The bucket of an agent.

        Raises:
            LimitExceeded: too many agents have begun an attempt shortly before.
        """
        key = (agent, env.trusted)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= env.limits.layer_memory:
                self._forget_full(env.limits.layer_memory)
            bucket = self._buckets[key] = _Bucket(env.clock, env.limits.layer_waiting)
        return bucket

    def _forget_full(self, limit: int) -> None:
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.is_full}
        if len(self._buckets) >= limit:
            raise LimitExceeded("layer_memory", limit, where="layer rate_limit")


class RateLimitLayer:
    """The layer around one agent."""

    name = "rate_limit"

    def __init__(self, shared: RateLimit, options: RateLimitOptions, env: LayerEnv) -> None:
        self._shared = shared
        self._rate = options.agents.get(env.agent.name, options)
        self._env = env

    def __call__(self, inner: Spawner) -> Spawner:
        pace = _Pace.of(self._rate)
        if pace is None:
            return inner
        return _Paced(inner, pace, lambda: self._shared.bucket(self._env.agent.name, self._env))


class _Pace(Struct, frozen=True):
    """Nanoseconds: what one attempt takes out of the bucket, and how much may be missing when one begins."""

    interval: int
    slack: int

    @classmethod
    def of(cls, rate: Rate) -> _Pace | None:
        if rate.per_second is not None:
            interval = ceil(NS_PER_SECOND / rate.per_second)
        elif rate.per_minute is not None:
            interval = ceil(60 * NS_PER_SECOND / rate.per_minute)
        else:
            return None
        return cls(interval, interval * (rate.burst - 1))


class _Bucket:
    """A token bucket as the time at which it will be full again: nothing runs while nobody waits."""

    __slots__ = ("_clock", "_full_at", "_timer", "line")

    def __init__(self, clock: Clock, waiting: int) -> None:
        self._clock = clock
        self._full_at = 0
        self._timer: TimerHandle | None = None
        self.line: Line[_Pace] = Line("layer_waiting", waiting, self._let_in)

    @property
    def is_full(self) -> bool:
        """Nothing would be lost if it were forgotten."""
        return not self.line and self._full_at <= self._clock.now_ms() * NS_PER_MS

    async def take(self, pace: _Pace, ctx: Ctx) -> None:
        now = self._clock.now_ms() * NS_PER_MS
        if not self.line and self._full_at - now <= pace.slack:
            self._full_at = max(self._full_at, now) + pace.interval
            return
        self._look_later(pace)
        await self.line.wait(pace, ctx.cancel_token, lambda: self._give_back(pace))

    def _give_back(self, pace: _Pace) -> None:
        self._full_at -= pace.interval
        self._let_in()

    def _let_in(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.now_ms() * NS_PER_MS
        while (pace := self.line.first()) is not None and self._full_at - now <= pace.slack:
            self._full_at = max(self._full_at, now) + pace.interval
            self.line.let_in()
        if pace is not None:
            self._look_later(pace)

    def _look_later(self, pace: _Pace) -> None:
        """Look again when the first one's turn comes."""
        if self._timer is None:
            due = -(-(self._full_at - pace.slack) // NS_PER_MS)
            self._timer = self._clock.call_at(due, self._let_in)


class _Paced(Around):
    def __init__(self, inner: Spawner, pace: _Pace, bucket: Callable[[], _Bucket]) -> None:
        super().__init__(inner)
        self._pace = pace
        self._bucket = bucket

    async def spawn(self, ctx: Ctx) -> Worker:
        await self._bucket().take(self._pace, ctx)
        return await self.inner.spawn(ctx)
