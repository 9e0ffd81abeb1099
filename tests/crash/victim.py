"""A program that runs a flow and kills itself with SIGKILL at its n-th append or its n-th durable commit.

`python victim.py STORE FLOW EFFECTS DURABILITY append|durable N`; each act of an agent is a line in EFFECTS.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from skep import Engine
from skep.flow.blueprint import Blueprint, parse_blueprint


def path(at):
    return {"op": "path", "at": at}


def lit(value):
    return {"op": "lit", "value": value}


FLOWS = {
    "chain": {
        "kind": "seq",
        "children": [
            {"kind": "step", "ref": "act", "in": path("$.n"), "out": path("$.n"), "id": f"s{index}"}
            for index in range(5)
        ],
    },
    "loop": {
        "kind": "loop",
        "counter": path("$.i"),
        "cond": lit(True),
        "max": 5,
        "body": {"kind": "step", "ref": "act", "in": lit(7), "out": path("$.r")},
    },
    "fanout": {
        "kind": "seq",
        "children": [
            {
                "kind": "fanout",
                "items": lit([5, 5, 5, 5, 6]),
                "bind": path("$.item"),
                "max_concurrency": 2,
                "body": {"kind": "step", "ref": "act", "in": path("$.item"), "out": path("$.r")},
                "join": "all",
                "select": path("$.r"),
                "out": path("$.results"),
            },
            {"kind": "step", "ref": "act", "in": {"op": "len", "arg": path("$.results")}, "out": path("$.n")},
        ],
    },
}

RESULTS = {
    "chain": {"n": 5},
    "loop": {"n": 0, "i": 5, "r": 8},
    "fanout": {"n": 6, "results": [6, 6, 6, 6, 7]},
}


def document(flow: str) -> Blueprint:
    return parse_blueprint({"id": flow, "flow": FLOWS[flow]})


def register(engine: Engine, effects: Path) -> None:
    @engine.agent("act")
    async def act(inv):
        with effects.open("a") as file:
            file.write(f"{inv.step_key}\n")
            file.flush()
        await asyncio.sleep(0)
        return inv.input + 1


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def arm(engine: Engine, where: str, number: int) -> None:
    left = number

    def count():
        nonlocal left
        left -= 1
        if left == 0:
            die()

    if where == "append":
        journal = engine.journal
        append = journal.append

        def counted(*args, **kwargs):
            seq = append(*args, **kwargs)
            count()
            return seq

        journal.append = counted
    else:
        engine.journal.listen(lambda _: count(), lambda _: None)


async def main(*arguments):
    store, flow, effects, durability, where, number = arguments
    async with Engine.open(store, recover="none") as engine:
        register(engine, Path(effects))
        arm(engine, where, int(number))
        handle = await engine.start(document(flow), {"n": 0}, durability=durability)
        await handle.result()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
