"""`after_run_audit`: agents that look at a step after it ran and change nothing."""

from __future__ import annotations

import logging
from typing import Any

from skep.core.outcomes import Blocked, Pass
from skep.core.outputs import Artifact, inline
from skep.errors import SkepError, WorkerCancelled
from skep.flow.audits import audits_of, looks_at
from skep.flow.parts import Audit
from skep.layers.base import Around
from skep.workers.base import Ctx, Outcome, OwnActs, Spawner, Worker, error_text, wrap_join
from skep.workers.layer_env import LayerEnv

BY = "layer:after_run_audit"

log = logging.getLogger("skep.layers")


class AfterRunAudit:
    """After the worker's end each auditor is given `{step, step_key, task_id, attempt, input, value, ok, error}`.

    It is a child of the audited attempt. What it finds is the artifact `audit:<step>` (`{auditor, ok, finding}`);
    why it found nothing is there as `{auditor, error}`, and in the log. The attempt ends as it would have, and
    under no deadline while it is audited; a cancelled one is not audited.
    """

    name = "after_run_audit"

    def __init__(self, audits: tuple[Audit, ...], env: LayerEnv) -> None:
        self.audits = audits
        self.limits = env.limits
        self.step = env.agent.name

    def __call__(self, inner: Spawner) -> Spawner:
        return _Audited(inner, self)


def build(env: LayerEnv) -> AfterRunAudit | None:
    """The layer around an agent whose steps somebody may look at."""
    audits = audits_of(env.agent, env.blueprint) if env.blueprint is not None else ()
    return AfterRunAudit(audits, env) if audits else None


class _Audited(Around):
    def __init__(self, inner: Spawner, layer: AfterRunAudit) -> None:
        super().__init__(inner)
        self._layer = layer

    async def spawn(self, ctx: Ctx) -> Worker:
        audits = [audit for audit in self._layer.audits if looks_at(audit, self._layer.step, ctx.step_key)]
        if not audits:
            return await self.inner.spawn(ctx)
        acts = ctx.channel.acts()
        worker = await self.inner.spawn(ctx)

        async def after(outcome: Outcome) -> Outcome:
            if not isinstance(outcome, WorkerCancelled):
                await ctx.channel.joined(timed=False)
                for audit in audits:
                    await self._look(audit.agent, ctx, acts, outcome)
            return outcome

        return wrap_join(worker, after, name=AfterRunAudit.name)

    async def _look(self, auditor: str, ctx: Ctx, acts: OwnActs, outcome: Outcome) -> None:
        try:
            found = await _ask(auditor, acts, self._report(ctx, outcome))
        except Exception as error:  # noqa: BLE001 - an auditor's trouble is told, and nothing else comes of it
            text = error_text(error)
            log.warning("audit of %s attempt %d by %s failed: %s", ctx.task_id, ctx.attempt, auditor, text)
            found = {"error": text}
        try:
            content = inline({"auditor": auditor, **found}, self._layer.limits, where="finding")
            ctx.channel.append(Artifact(f"audit:{self._layer.step}", content), by=BY)
        except SkepError as error:
            log.warning("audit of %s attempt %d by %s was lost: %s", ctx.task_id, ctx.attempt, auditor, error)

    def _report(self, ctx: Ctx, outcome: Outcome) -> dict[str, Any]:
        value, ok = ctx.channel.last_final() or (None, ctx.channel.final_ok())
        return {
            "step": self._layer.step,
            "step_key": ctx.step_key,
            "task_id": ctx.task_id,
            "attempt": ctx.attempt,
            "input": ctx.input,
            "value": value,
            "ok": ok if outcome is None else False,
            "error": str(outcome) if outcome is not None else None,
        }


async def _ask(auditor: str, acts: OwnActs, report: dict[str, Any]) -> dict[str, Any]:
    outcome = await acts.dispatch_attempt(await acts.start_task(auditor, report))
    if isinstance(outcome, Pass | Blocked):
        return {"ok": isinstance(outcome, Pass), "finding": outcome.value}
    return {"error": f"the auditor ended {type(outcome).__name__.lower()}"}
