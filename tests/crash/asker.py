"""A program that runs a flow full of questions and kills itself at its n-th append or n-th durable commit.

`python asker.py` reads lines of JSON, the arguments of `perform`, and performs each in a forked process; it writes how
that ended: 0 done, 4 suspended, -9 killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from pathlib import Path

from victim import arm, lit, path

from skep import Engine
from skep.engine.inbox import pump
from skep.flow.blueprint import parse_blueprint

SUSPENDED = 4
LANES = ["a?", "b?", "c?"]


def step(agent, out):
    return {"kind": "step", "ref": agent, "in": lit(1), "out": path(out), "id": agent}


def ask(question, out, **fields):
    return {"kind": "ask", "question": question, "out": path(out), "audience": "senior", **fields}


FLOW = {
    "kind": "seq",
    "children": [
        step("begin", "$.begin"),
        step("twice", "$.twice"),
        ask(lit("ship it?"), "$.ship", id="ship"),
        {"kind": "wait", "for": lit(0.005), "id": "pause"},
        {
            "kind": "fanout",
            "items": lit(LANES),
            "bind": path("$.name"),
            "body": ask(path("$.name"), "$.answer", audience=["senior", "principal:owner"]),
            "join": "all",
            "select": path("$.answer"),
            "out": path("$.lanes"),
        },
        {"kind": "wait", "signal": "go", "out": path("$.first"), "id": "first"},
        {"kind": "wait", "signal": "go", "out": path("$.second"), "id": "second"},
        step("end", "$.end"),
    ],
}


def register(engine, effects):
    def effect(inv):
        with effects.open("a") as file:
            file.write(f"{inv.step_key}\n")

    @engine.agent("begin")
    async def begin(inv):
        effect(inv)
        return "begun"

    @engine.agent("twice")
    async def twice(inv):
        effect(inv)
        return [await inv.ask("really?"), await inv.ask("really?")]

    @engine.agent("end")
    async def end(inv):
        effect(inv)
        return "ended"


async def perform(store, effects, durability, kill, *, leave):
    """Start the store's one run, or take it up. `kill`: `[append|durable, n]`; `leave`: when it is suspended."""
    pump.POLL_SECONDS = 0.01
    async with Engine.open(store, recover="none") as engine:
        register(engine, Path(effects))
        if kill is not None:
            arm(engine, *kill)
        runs = await engine.list_runs()
        if runs:
            handle = await engine.resume_run(runs[0].run_id)
        else:
            blueprint = parse_blueprint({"id": "questions", "flow": FLOW})
            handle = await engine.start(blueprint, {}, durability=durability)
        if leave and await handle.until_suspended():
            return SUSPENDED
        return 0 if (await handle.wait()).status == "done" else 1


def forked(arguments):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        os._exit(asyncio.run(perform(**arguments)))
    except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"{forked(json.loads(line))}\n")
        sys.stdout.flush()
