"""The table `runs`: one summary a run, so that listing never reads events."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import structs

from skep.journal.base import RunSummary
from skep.journal.owner import ProcessId, holds
from skep.journal.sqlite.connection import searchable
from skep.journal.status import ENDED, matches

_UPSERT = """
INSERT INTO runs (
    run_id, log, status, ended, blueprint, blueprint_id, work_dir, created_at, updated_at, steps, error
) VALUES (
    :run_id, :log, :status, :ended, :blueprint, :blueprint_id, :work_dir, :created_at, :updated_at, :steps,
    :error
)
ON CONFLICT (run_id) DO UPDATE SET
    log = excluded.log, status = excluded.status, ended = excluded.ended, blueprint = excluded.blueprint,
    blueprint_id = excluded.blueprint_id, work_dir = excluded.work_dir, created_at = excluded.created_at,
    updated_at = excluded.updated_at, steps = excluded.steps, error = excluded.error
"""
_SELECT = """
SELECT ended, owner, pid, started, boot, host, namespace,
       run_id, status, blueprint, blueprint_id, work_dir, created_at, updated_at, steps, error
FROM runs LEFT JOIN leases ON leases.log = runs.log
"""
_FIELDS = RunSummary.__struct_fields__
_ONE = f"{_SELECT} WHERE run_id = ?"
_NEWEST_FIRST = "ORDER BY created_at DESC, run_id DESC"


def upsert(connection: sqlite3.Connection, summaries: Iterable[tuple[str, RunSummary]]) -> None:
    """Write summaries beside the events that they sum up."""
    for log, run in summaries:
        connection.execute(_UPSERT, {**structs.asdict(run), "log": log, "ended": run.status in ENDED})


def get_run(connection: sqlite3.Connection, run_id: str) -> RunSummary | None:
    """The run with exactly this id."""
    row = connection.execute(_ONE, (searchable(run_id),)).fetchone()
    return None if row is None else _summary(row, {})


def list_runs(
    connection: sqlite3.Connection, *, limit: int, prefix: str, status: str | None, open_only: bool
) -> list[RunSummary]:
    """Newest first. That an open run is interrupted is no column: it is asked of its owner's process."""
    conditions: list[str] = []
    values: list[object] = []
    if prefix:
        conditions.append("run_id BETWEEN ? AND ?")
        values += (searchable(prefix), searchable(f"{prefix}\U0010ffff"))
    if status in ENDED:
        conditions.append("status = ?")
        values.append(status)
    elif open_only or status is not None:
        conditions.append("ended = 0")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = connection.execute(f"{_SELECT} {where} {_NEWEST_FIRST}", values)
    return list(_select(rows, limit, status=status, open_only=open_only))


def _select(rows: Iterable[Any], limit: int, *, status: str | None, open_only: bool) -> Iterator[RunSummary]:
    alive: dict[str, bool] = {}
    for row in rows:
        if limit <= 0:
            return
        run = _summary(row, alive)
        if matches(run, status=status, open_only=open_only):
            limit -= 1
            yield run


def _summary(row: Any, alive: dict[str, bool]) -> RunSummary:
    ended, holder = row[:2]
    held = ended or _held(holder, ProcessId(*row[2:7]), alive)
    return RunSummary(**dict(zip(_FIELDS, row[7:], strict=False)), interrupted=not held)


def _held(owner: str | None, process: ProcessId, alive: dict[str, bool]) -> bool:
    if owner is None:
        return False
    if owner not in alive:
        alive[owner] = holds(owner, process)
    return alive[owner]
