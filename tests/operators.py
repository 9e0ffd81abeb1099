"""What the tests of operator work share: Blueprints with seats, items that were offered."""

from __future__ import annotations

import asyncio

from engines import Agents, blueprint, step
from skep import Engine
from skep.core.questions import Answerer
from skep.testing.aio import run


def seats(flow, *, name="red", layers=(), **agent):
    """A Blueprint whose agent `judge` is the work of the seat `red`."""
    return blueprint(
        flow,
        agents=[{"name": "judge", "kind": "operator", "spec": {"operator_ref": name}, **agent}],
        operators=[{"name": "red"}, {"name": "blue"}],
        spawner_hints={"layers": list(layers)},
    )


def own_worker(run_id):
    """Somebody with every role who works for the run."""
    return Answerer(principal="w", roles=frozenset({"worker", "senior"}), run_id=run_id)


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


async def token(engine, role="operator", *scopes, principal="anna"):
    return (await engine.mint_token(principal, role, scopes=scopes or ["*"])).text
