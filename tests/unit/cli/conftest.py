from __future__ import annotations

from typing import Any

import pytest


class Story:
    """Published events of a run, made by hand, each 100 ms after the one before."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def tell(self, kind: str, **fields: Any) -> dict[str, Any]:
        version = len(self.items) + 1
        item = {"kind": kind, "log": "run:run-1", "version": version, "at": version * 100, **fields}
        self.items.append(item)
        return item

    def begin(self) -> None:
        self.tell("run_started", run_id="run-1", blueprint="0" * 64, blueprint_id="review")

    def task(self, key: str, agent: str = "lint") -> str:
        task_id = f"T-{key}"
        self.tell("task_created", task_id=task_id, agent=agent, step_key=key)
        self.tell("task_attempt_started", task_id=task_id, attempt=1)
        return task_id

    def passes(self, task_id: str, attempt: int = 1) -> None:
        self.tell("task_attempt_completed", task_id=task_id, attempt=attempt, ok=True)
        self.tell("task_pass", task_id=task_id)

    def fails(self, task_id: str, message: str, retry_at: int | None = None) -> None:
        fields: dict[str, Any] = {"reason": "error", "message": message}
        end = {"task_id": task_id, "attempt": 1, "ok": False, **fields}
        self.tell("task_attempt_completed", **(end if retry_at is None else {**end, "retry_at": retry_at}))
        if retry_at is None:
            self.tell("task_blocked", task_id=task_id, **fields)


@pytest.fixture
def story():
    told = Story()
    told.begin()
    return told
