"""`audit`: counts and logs every start and end."""

from __future__ import annotations

import logging
import time
from collections import Counter

from skep.errors import WorkerCancelled
from skep.flow.catalog import HintInfo
from skep.layers.base import Around
from skep.workers.base import Ctx, Outcome, Spawner, Worker, wrap_join

HINT = HintInfo(key="audit", what="counts and logs every start and end")

log = logging.getLogger("skep.audit")


class Audit:
    """Observes only: `counts` has `started refused ended failed cancelled`, the log (INFO) every attempt."""

    name = "audit"

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, inner: Spawner) -> Spawner:
        return _Audited(inner, self.counts)


class _Audited(Around):
    def __init__(self, inner: Spawner, counts: Counter[str]) -> None:
        super().__init__(inner)
        self._counts = counts

    async def spawn(self, ctx: Ctx) -> Worker:
        began = time.monotonic()
        try:
            worker = await self.inner.spawn(ctx)
        except Exception as error:
            self._counts["refused"] += 1
            log.info("%s attempt %d of %s was not started: %s", ctx.agent, ctx.attempt, ctx.task_id, error)
            raise
        self._counts["started"] += 1

        async def ended(outcome: Outcome) -> Outcome:
            word = "ended" if outcome is None else "failed"
            word = "cancelled" if isinstance(outcome, WorkerCancelled) else word
            self._counts[word] += 1
            took = time.monotonic() - began
            log.info("%s attempt %d of %s %s after %.3f s", ctx.agent, ctx.attempt, ctx.task_id, word, took)
            return outcome

        return wrap_join(worker, ended, name=Audit.name)
