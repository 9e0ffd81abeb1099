"""Summaries: get_run, list_runs."""
# ruff: noqa: S101 - pytest's assertions, on literal expectations

from __future__ import annotations

from typing import Any

from skep.testing.aio import in_loop
from skep.testing.journal.kit import NewStore, Part, events, opened, summary


class RunsContract(Part):
    """Summaries: get_run, list_runs."""

    @in_loop
    async def test_a_summary_comes_with_its_events(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            await journal.acquire("run:a")
            given_summary = summary("a", updated_at=7, steps=3, error="why", blueprint_id="x", work_dir="/w")
            await journal.flushed(journal.append("run:a", 1, events("x"), given_summary))
            assert await journal.get_run("a") == given_summary
            changed = summary("a", "done", updated_at=9, steps=4)
            await journal.flushed(journal.append("run:a", 2, events("y"), changed))
            assert await journal.get_run("a") == changed
            assert await journal.get_run("b") is None
            assert await journal.get_run("") is None

    @in_loop
    async def test_runs_are_listed_newest_first_and_selected(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            statuses = {"run-1a": "done", "run-1b": "running", "run-2a": "suspended", "run-2b": "failed"}
            for number, (run_id, status) in enumerate(statuses.items()):
                await journal.acquire(f"run:{run_id}")
                row = summary(run_id, status, created_at=number)
                await journal.flushed(journal.append(f"run:{run_id}", 1, events("x"), row))

            async def listed(**select: Any) -> list[str]:
                return [row.run_id for row in await journal.list_runs(**select)]

            assert await listed() == ["run-2b", "run-2a", "run-1b", "run-1a"]
            assert await listed(limit=2) == ["run-2b", "run-2a"]
            assert await listed(prefix="run-1") == ["run-1b", "run-1a"]
            assert await listed(prefix="run-1", limit=1) == ["run-1b"]
            assert await listed(open_only=True) == ["run-2a", "run-1b"]
            assert await listed(status="failed") == ["run-2b"]
            assert await listed(status="running") == ["run-1b"]
            assert await listed(status="running", limit=0) == []
            assert await listed(status="done", open_only=True) == []
            assert await listed(status="interrupted") == []
            assert await listed(prefix="run-1%") == await listed(prefix="\udc80") == []

    @in_loop
    async def test_an_open_run_without_an_owner_is_interrupted(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            for run_id, status in (("a", "running"), ("b", "done")):
                await journal.acquire(f"run:{run_id}")
                await journal.flushed(
                    journal.append(f"run:{run_id}", 1, events("x"), summary(run_id, status))
                )
            assert not any(row.interrupted for row in await journal.list_runs())
            await journal.release("run:a")
            await journal.release("run:b")
            assert {row.run_id: row.interrupted for row in await journal.list_runs()} == {
                "a": True,
                "b": False,
            }
            row = await journal.get_run("a")
            assert row is not None
            assert row.interrupted
            assert [row.run_id for row in await journal.list_runs(status="interrupted")] == ["a"]
            assert await journal.list_runs(status="running") == []
