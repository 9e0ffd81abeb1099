"""What may be known of a run from outside: `RunInfo`, and the summary row that the journal keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, structs

from skep.core import events as ev
from skep.core.state import EngineState, RunState
from skep.journal.base import RunSummary
from skep.journal.status import seen_status

RunStatus = Literal[
    "pending", "running", "suspended", "interrupted", "done", "failed", "cancelled", "timeout"
]
ENDED = frozenset({"done", "failed", "cancelled", "timeout"})


class RunInfo(Struct, frozen=True, kw_only=True):
    """One run as of now. `result` is the final ctx of a run that is `done`; times are milliseconds."""

    run_id: str
    status: RunStatus
    blueprint: str
    blueprint_id: str
    work_dir: str
    created_at: int
    updated_at: int
    steps: int = 0
    result: Any = None
    error: dict[str, Any] | None = None

    @property
    def stats(self) -> dict[str, int]:
        """`steps` settled so far and `elapsed_ms` from the start to the last change."""
        return {"steps": self.steps, "elapsed_ms": max(0, self.updated_at - self.created_at)}

    def to_dict(self) -> dict[str, Any]:
        """The published object: `{"run_id", "status", "result", "error", "stats"}`."""
        return {
            "run_id": self.run_id,
            "status": self.status,
            "result": self.result,
            "error": self.error,
            "stats": self.stats,
        }

    @classmethod
    def at_end(cls, run: RunState, event: ev.RunFinished, result: Any) -> RunInfo:
        """The run as `event` ends it."""
        return cls(
            run_id=run.id,
            status=event.status,
            blueprint=run.blueprint,
            blueprint_id=run.blueprint_id,
            work_dir=run.work_dir,
            created_at=run.created_at,
            updated_at=event.at,
            steps=run.settled,
            result=result,
            error=event.error,
        )

    @classmethod
    def from_summary(cls, row: RunSummary) -> RunInfo:
        """What the journal's row says; `result` and `error` stand in the run's log."""
        status: Any = seen_status(row)
        return cls(
            run_id=row.run_id,
            status=status,
            blueprint=row.blueprint,
            blueprint_id=row.blueprint_id,
            work_dir=row.work_dir,
            created_at=row.created_at,
            updated_at=row.updated_at,
            steps=row.steps,
        )

    def with_end(self, *, result: Any, error: dict[str, Any] | None) -> RunInfo:
        return structs.replace(self, result=result, error=error)


def summary_of(
    state: EngineState, events: Sequence[ev.Event], run_id: str, *, suspended: bool = False
) -> RunSummary:
    """The row that belongs to the last of `events`; `suspended`: what is left waits for somebody outside."""
    event = events[-1]
    if isinstance(event, ev.RunStarted):
        return RunSummary(
            run_id=run_id,
            status="suspended" if suspended else "running",
            blueprint=event.blueprint,
            blueprint_id=event.blueprint_id,
            work_dir=event.work_dir,
            created_at=event.at,
            updated_at=event.at,
        )
    run = state.runs[run_id]
    finished = event if isinstance(event, ev.RunFinished) else None
    return RunSummary(
        run_id=run_id,
        status=finished.status if finished else "suspended" if suspended else "running",
        blueprint=run.blueprint,
        blueprint_id=run.blueprint_id,
        work_dir=run.work_dir,
        created_at=run.created_at,
        updated_at=event.at,
        steps=run.settled,
        error=str(finished.error.get("message")) if finished and finished.error else None,
    )
