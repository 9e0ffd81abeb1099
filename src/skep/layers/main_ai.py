"""`main_ai`: the spawn hook of the main AI looks at attempts before they begin and after they have ended."""

from __future__ import annotations

import logging

from skep.errors import RejectedByMiddleware, WorkerCancelled, WorkerFailed
from skep.flow.catalog import HintInfo
from skep.layers.base import Around
from skep.layers.heed import heeding
from skep.workers.backends import SpawnHook
from skep.workers.base import Ctx, Outcome, Spawner, Worker, error_text, wrap_join

HINT = HintInfo(key="main_ai", what="asks the spawn hook before, tells it the result after")

KINDS = ("main_ai", "composite")

log = logging.getLogger("skep.layers")


class MainAi:
    """Calls `ctx.operator.spawn_hook` around agents whose operator kind is `main_ai` or `composite`.

    What `before` raises refuses the attempt (`RejectedByMiddleware`). `after` sees the value of the last inline
    `final`, null without one, or the text of the worker's error; what it raises fails an attempt that had
    worked.
    """

    name = "main_ai"

    def __call__(self, inner: Spawner) -> Spawner:
        return _Hooked(inner)


class _Hooked(Around):
    def __init__(self, inner: Spawner) -> None:
        super().__init__(inner)
        self.runs_ahead = False  # the hook is outside, so it hears only of what is durable (R-ack)

    async def spawn(self, ctx: Ctx) -> Worker:
        hook = ctx.operator.spawn_hook
        if hook is None or ctx.operator.kind not in KINDS:
            return await self.inner.spawn(ctx)
        try:
            await heeding(ctx.cancel_token, hook.before(ctx))
        except WorkerCancelled:
            raise
        except Exception as error:
            raise RejectedByMiddleware(f"main_ai before: {error_text(error)}") from error

        async def after(outcome: Outcome) -> Outcome:
            return await _tell(hook, ctx, outcome)

        return wrap_join(await self.inner.spawn(ctx), after, name=MainAi.name)


async def _tell(hook: SpawnHook, ctx: Ctx, outcome: Outcome) -> Outcome:
    await ctx.channel.joined()
    final = ctx.channel.last_final()
    value = str(outcome) if outcome is not None else final[0] if final is not None else None
    try:
        await hook.after(ctx, value)
    except Exception as error:  # noqa: BLE001 - whatever a hook raises is its failure, and told (R-loud)
        text = f"main_ai after: {error_text(error)}"
        if outcome is None:
            return WorkerFailed(text)
        log.warning("%s attempt %d of %s: %s", ctx.agent, ctx.attempt, ctx.task_id, text)
    return outcome
