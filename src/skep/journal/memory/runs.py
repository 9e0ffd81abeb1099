"""Run summaries in memory, and which finished runs are kept."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import structs

from skep.journal.base import RunSummary
from skep.journal.status import ENDED, matches


class MemoryRuns:
    """Summaries by run id; at most `keep` finished ones."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._runs: dict[str, tuple[str, RunSummary]] = {}
        self._finished: dict[str, None] = {}

    def put(self, log: str, summary: RunSummary) -> str | None:
        """Keep a summary; returns the log of the finished run that had to go for it."""
        run_id = summary.run_id
        self._runs[run_id] = (log, summary)
        self._finished.pop(run_id, None)
        if summary.status not in ENDED:
            return None
        self._finished[run_id] = None
        if len(self._finished) <= self._keep:
            return None
        oldest = next(iter(self._finished))
        del self._finished[oldest]
        return self._runs.pop(oldest)[0]

    def get(self, run_id: str, owned: Collection[str]) -> RunSummary | None:
        found = self._runs.get(run_id)
        return _seen(*found, owned) if found else None

    def end_of(self, log: str) -> str | None:
        """How the run of `log` has ended, if it has."""
        run_id = log.removeprefix("run:")
        return self._runs[run_id][1].status if run_id in self._finished else None

    def list(
        self, owned: Collection[str], *, limit: int, prefix: str, status: str | None, open_only: bool
    ) -> list[RunSummary]:
        """Newest first; `owned` are the logs that have a lease."""
        seen = (_seen(log, run, owned) for log, run in self._runs.values() if run.run_id.startswith(prefix))
        found = [run for run in seen if matches(run, status=status, open_only=open_only)]
        found.sort(key=_age, reverse=True)
        return found[:limit]


def _seen(log: str, run: RunSummary, owned: Collection[str]) -> RunSummary:
    if run.status in ENDED or log in owned:
        return run
    return structs.replace(run, interrupted=True)


def _age(run: RunSummary) -> tuple[int, str]:
    return run.created_at, run.run_id
