"""What the engine's tests share: engines on each store, small Blueprints, agents that misbehave on demand."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from skep import Engine
from skep.flow.blueprint import Blueprint, parse_blueprint
from skep.testing.aio import run
from skep.workers.base import WorkerResult


def blueprint(flow: dict[str, Any] | list[Any], **fields: Any) -> Blueprint:
    """A Blueprint of this flow whose agents are registered in code; a list is a `seq`."""
    if isinstance(flow, list):
        flow = {"kind": "seq", "children": flow}
    return parse_blueprint({"id": "test", "flow": flow, **fields})


def path(at: str) -> dict[str, Any]:
    return {"op": "path", "at": at}


def lit(value: Any) -> dict[str, Any]:
    return {"op": "lit", "value": value}


def step(agent: str, source: Any = "$", out: str = "$.out", **fields: Any) -> dict[str, Any]:
    given = path(source) if isinstance(source, str) else source
    return {"kind": "step", "ref": agent, "in": given, "out": path(out), **fields}


def chain(length: int) -> dict[str, Any]:
    """A loop of `length` steps that each add one to `$.n`."""
    return {
        "kind": "loop",
        "counter": path("$.i"),
        "cond": lit(True),
        "max": length,
        "body": step("inc", "$.n", "$.n"),
    }


class Agents:
    """Registers the usual agents and counts how often each was called, by idempotency key."""

    def __init__(self, engine: Engine, *, without: str = "") -> None:
        self.calls: Counter[str] = Counter()
        self.started = asyncio.Event()
        self.release = asyncio.Event()

        def agent(name):
            return engine.agent(name) if name != without else lambda function: function

        @agent("inc")
        async def inc(inv):
            self.calls[inv.idempotency_key] += 1
            return inv.input + 1

        @agent("echo")
        async def echo(inv):
            self.calls[inv.idempotency_key] += 1
            return inv.input

        @agent("no")
        async def no(inv):
            self.calls[inv.idempotency_key] += 1
            return WorkerResult({"verdict": "no"}, ok=False)

        @agent("boom")
        async def boom(inv):
            self.calls[inv.idempotency_key] += 1
            raise ValueError("bad")

        @agent("hang")
        async def hang(inv):
            self.calls[inv.idempotency_key] += 1
            self.started.set()
            await asyncio.Event().wait()

        @agent("gate")
        async def gate(inv):
            self.calls[inv.idempotency_key] += 1
            self.started.set()
            await self.release.wait()
            return "passed"


def steering(test, url="memory:", **options):
    """Run `test(engine, agents, operator, senior)`: an engine, the usual agents, a token of each role."""

    async def main():
        async with Engine.open(url, **options) as engine:
            agents = Agents(engine)
            operator = await engine.attach("op", "operator")
            senior = await engine.attach("chief", "senior")
            return await test(engine, agents, operator, senior)

    return run(main())


async def live_task(engine, agents):
    """The id of the one task whose worker has begun."""
    await agents.started.wait()
    [task] = [task for task in engine.ledger.state.tasks.values() if task.live]
    return task.id


async def pending(engine, count=1):
    """The pending tasks, once there are `count` of them."""
    while len(found := [t for t in engine.ledger.state.tasks.values() if t.status == "pending"]) < count:
        await asyncio.sleep(0)
    return found
