"""`operator_delegate`: the operator of the launch does the work instead of the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from skep.core.outputs import Final, inline
from skep.errors import WorkerCancelled
from skep.flow.catalog import EVERY_LAYER, HintInfo
from skep.ids import WORKER, new_id
from skep.layers.base import Around
from skep.limits import Limits
from skep.workers.backends import Operator
from skep.workers.base import Completion, Ctx, JoinHandler, Outcome, Spawner, Worker, WorkerResult
from skep.workers.completion import failed
from skep.workers.layer_env import LayerEnv

HINT = HintInfo(
    key="operator_delegate",
    what="hands the work to the operator backend; nothing inside is called then",
    disables=EVERY_LAYER,
)


class OperatorDelegate:
    """Where an operator backend is attached, it executes the attempt, whatever the operator's kind.

    It gets the agent's system prompt, the prompt and the attempt's token. What it returns is the result, unless
    a `final` was handed in meanwhile. Everything inside this layer is bypassed, so list it first.
    """

    name = "operator_delegate"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def __call__(self, inner: Spawner) -> Spawner:
        return _Delegating(inner, self._limits)


def build(_options: Mapping[str, Any], env: LayerEnv) -> OperatorDelegate:
    return OperatorDelegate(env.limits)


class _Delegating(Around):
    def __init__(self, inner: Spawner, limits: Limits) -> None:
        super().__init__(inner)
        self._limits = limits
        self.runs_ahead = False  # the operator is outside, so it hears only of what is durable (R-ack)

    async def spawn(self, ctx: Ctx) -> Worker:
        operator = ctx.operator.operator
        if operator is None or ctx.channel.final_ok() is not None:
            return await self.inner.spawn(ctx)  # a result that is there is from before a restart
        return _Delegated(operator, ctx, self._limits)


class _Delegated(JoinHandler):
    """The operator's work as a worker."""

    __slots__ = ("_work",)

    def __init__(self, operator: Operator, ctx: Ctx, limits: Limits) -> None:
        super().__init__(new_id(WORKER), ctx.cancel_token, Completion())
        self._work = asyncio.get_running_loop().create_task(_execute(operator, ctx, limits))
        self._work.add_done_callback(self._ended)
        ctx.cancel_token.on_cancel(self._cancel)

    def _cancel(self, _reason: str) -> None:
        self._work.cancel()

    def _ended(self, work: asyncio.Task[None]) -> None:
        self.completion.resolve(_outcome(work, self.cancel_token.reason))


async def _execute(operator: Operator, ctx: Ctx, limits: Limits) -> None:
    channel = ctx.channel
    given: Any = await operator.execute(ctx, ctx.system, ctx.prompt, channel.token())
    if channel.final_ok() is None:
        result = given if type(given) is WorkerResult else WorkerResult(given)
        channel.deliver(Final(inline(result.value, limits, where="result"), result.ok))


def _outcome(work: asyncio.Task[None], reason: str | None) -> Outcome:
    if reason is not None:
        return WorkerCancelled(reason)
    if work.cancelled():
        return WorkerCancelled("the operator cancelled its own work")
    error = work.exception()
    return failed(error, "operator: ") if error is not None else None
