"""Operator work: offered to a seat, claimed under a lease, completed by a handle, across restarts and processes."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, step
from skep import Engine
from skep.core.outputs import Progress, final
from skep.errors import (
    AttemptEnded,
    BadValue,
    BlueprintError,
    InvalidTransition,
    LimitExceeded,
    MayNotAnswer,
    QuestionClosed,
    ResumeKeyNotFound,
    RoleViolation,
    RunFailed,
    ScopeViolation,
    TokenNotFound,
    TokenTaskMismatch,
    WorkHeld,
)
from skep.limits import Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock


def seats(flow, *, name="red", **agent):
    """A Blueprint whose agent `judge` is the work of the seat `red`."""
    return blueprint(
        flow,
        agents=[{"name": "judge", "kind": "operator", "spec": {"operator_ref": name}, **agent}],
        operators=[{"name": "red"}, {"name": "blue"}],
    )


JUDGED = [step("judge", "$.text")]
GIVEN = {"text": "hello"}


def working(test, url="memory:", **options):
    async def main():
        async with Engine.open(url, **options) as engine:
            Agents(engine)
            return await test(engine)

    return run(main())


async def offered(engine, count=1, **how):
    """The open items, once there are `count` of them."""
    while len(found := await engine.list_work(**how)) < count:
        await asyncio.sleep(0)
    return found


async def begin(engine, flow=JUDGED, given=None, **agent):
    """A run whose first step is offered, and its item."""
    handle = await engine.start(seats(flow, **agent), given or GIVEN)
    [item] = await offered(engine)
    return handle, item


async def kinds(engine, run_id):
    return [event["kind"] async for event in engine.run_events(run_id)]


def test_an_item_is_listed_claimed_and_completed():
    async def test(engine):
        handle, item = await begin(engine, profile={"system_prompt": "Judge {{ directive }}."})
        assert await handle.until_suspended()
        assert (await engine.get_run(handle.id)).status == "suspended"
        [task] = engine.ledger.state.tasks.values()
        assert (task.status, task.work) == ("running", item.key)
        assert (item.seat, item.run_id, item.attempt, item.holder) == ("red", handle.id, 1, None)
        payload = {
            "task_id": task.id,
            "attempt": 1,
            "agent": "judge",
            "system": "Judge hello.",
            "prompt": "hello",
        }
        assert item.payload == payload
        claimed = await engine.claim(None, item.key)
        assert claimed.payload == payload
        assert (claimed.generation, claimed.task_id, claimed.run_id) == (1, task.id, handle.id)
        assert claimed.handle not in repr(claimed)
        [held] = await engine.list_work()
        assert (held.holder, held.generation, held.lease_until) == ("owner", 1, claimed.lease_until)
        assert (await engine.complete(claimed.handle, item.key, {"verdict": "pass"})).acted
        assert (await handle.result())["out"] == {"verdict": "pass"}
        assert await engine.list_work() == []
        said = await kinds(engine, handle.id)
        assert [kind for kind in said if kind.startswith(("question", "work"))] == [
            "question_asked",
            "work_claimed",
            "worker_output",
            "question_answered",
        ]

    working(test)
