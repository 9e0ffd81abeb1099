"""`long_hold`: a warning when an attempt takes long."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from skep.clock import Clock
from skep.core.outputs import Artifact, inline
from skep.errors import SkepError
from skep.flow.catalog import HintInfo
from skep.layers.base import Around
from skep.layers.options import check_of, read_options
from skep.workers.base import Ctx, Outcome, Spawner, Worker, wrap_join
from skep.workers.layer_env import LayerEnv

WARNING = "long_hold_warn"
"""The name of the artifact that is the warning."""

log = logging.getLogger("skep.layers")


class LongHoldOptions(Struct, frozen=True, forbid_unknown_fields=True):
    default_hold: Annotated[float, Meta(gt=0, le=31_536_000)]
    """Seconds from the worker's start after which it is warned of."""


HINT = HintInfo(
    key="long_hold",
    what="warns of attempts that take long",
    check=check_of(LongHoldOptions),
    untrusted_keys=frozenset({"default_hold"}),
)


class LongHold:
    """Records an artifact `long_hold_warn` and logs a warning when a worker is held longer than `default_hold`.

    The warning comes while the worker still works, once an attempt, and changes nothing.
    """

    name = "long_hold"

    def __init__(self, default_hold: float, clock: Clock) -> None:
        self._hold_ms = max(1, int(default_hold * 1000))
        self._clock = clock

    def __call__(self, inner: Spawner) -> Spawner:
        return _Held(inner, self._hold_ms, self._clock)


def build(options: Mapping[str, Any], env: LayerEnv) -> LongHold:
    return LongHold(read_options(LongHoldOptions, options).default_hold, env.clock)


class _Held(Around):
    def __init__(self, inner: Spawner, hold_ms: int, clock: Clock) -> None:
        super().__init__(inner)
        self._hold_ms = hold_ms
        self._clock = clock

    async def spawn(self, ctx: Ctx) -> Worker:
        worker = await self.inner.spawn(ctx)
        began = self._clock.now_ms()
        timer = self._clock.call_at(began + self._hold_ms, lambda: self._warn(ctx, began))

        async def ended(outcome: Outcome) -> Outcome:
            timer.cancel()
            return outcome

        return wrap_join(worker, ended, name=LongHold.name)

    def _warn(self, ctx: Ctx, began: int) -> None:
        elapsed = self._clock.now_ms() - began
        note = {WARNING: True, "elapsed_ms": elapsed, "default_hold_ms": self._hold_ms}
        log.warning("%s attempt %d of %s works for %d ms", ctx.agent, ctx.attempt, ctx.task_id, elapsed)
        try:
            ctx.channel.append(Artifact(WARNING, inline(note)), by="layer:long_hold")
        except SkepError as error:
            log.warning("the warning about %s could not be recorded: %s", ctx.task_id, error)
