"""`senior_escalation`: a senior looks at results that are not good."""

from __future__ import annotations

import logging
from typing import Any

from skep.core.outputs import Artifact, final, inline
from skep.flow.catalog import HintInfo
from skep.layers.base import Around
from skep.values import type_of
from skep.workers.backends import SeniorBridge
from skep.workers.base import Ctx, Outcome, Spawner, Worker, error_text, wrap_join

HINT = HintInfo(key="senior_escalation", what="asks the senior bridge about a result that is not ok")
BY = "layer:senior_escalation"
FAILED = "senior_error"
"""The name of the artifact that says why there was no answer."""

log = logging.getLogger("skep.layers")


class SeniorEscalation:
    """Asks `ctx.operator.senior_bridge` when the last inline `final` is `ok=False`, and appends what follows.

    The question is `{"reason": "worker reported ok=false", "value": ...}`. The answer says whether the result
    passes: `true` or `false`, or an object with a boolean `pass` and, if the senior gives another result, its
    `value`; any other answer passes. Without a `value` the result is
    `{"original": ..., "senior_answer": ...}`. When the bridge raises, the result stays as it was, and an
    artifact `senior_error` says why.
    """

    name = "senior_escalation"

    def __call__(self, inner: Spawner) -> Spawner:
        return _Escalating(inner)


class _Escalating(Around):
    async def spawn(self, ctx: Ctx) -> Worker:
        bridge = ctx.operator.senior_bridge
        worker = await self.inner.spawn(ctx)
        if bridge is None:
            return worker

        async def after(outcome: Outcome) -> Outcome:
            last = ctx.channel.last_final()
            if outcome is None and last is not None and not last[1]:
                await _escalate(bridge, ctx, last[0])
            return outcome

        return wrap_join(worker, after, name=SeniorEscalation.name)


async def _escalate(bridge: SeniorBridge, ctx: Ctx, value: Any) -> None:
    await ctx.channel.joined()
    try:
        answer = await bridge.ask(ctx.task_id, {"reason": "worker reported ok=false", "value": value})
    except Exception as error:  # noqa: BLE001 - whatever it raises, there is no answer: recorded and logged
        text = error_text(error)
        log.warning("no senior answered about attempt %d of %s: %s", ctx.attempt, ctx.task_id, text)
        ctx.channel.append(Artifact(FAILED, inline(text)), by=BY)
        return
    ok, result = _verdict(answer, value)
    ctx.channel.append(final(result, ok=ok), by=BY)


def _verdict(answer: Any, value: Any) -> tuple[bool, Any]:
    """Whether the answer lets the result pass, and what the result is then."""
    both = {"original": value, "senior_answer": answer}
    if isinstance(answer, bool):
        return answer, both
    if type_of(answer) is not dict or type_of(answer.get("pass")) is not bool:
        return True, both
    return answer["pass"], answer.get("value", both)
