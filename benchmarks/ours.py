"""What our probes share: the flows, an engine on a fresh store, and proof of what is durable."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from probe import require

from skep import Blueprint, Engine, Invocation, parse_blueprint

DATABASE = "skep.db"


def at(path: str) -> dict[str, str]:
    return {"op": "path", "at": path}


def blueprint(name: str, flow: dict[str, Any]) -> Blueprint:
    return parse_blueprint({"id": name, "flow": flow})


def chain(steps: int) -> Blueprint:
    """`inc` on the state until it has counted to `steps`: one node that is visited again and again."""
    below = {"op": "lt", "lhs": at("$.state.n"), "rhs": {"op": "lit", "value": steps}}
    body = {"kind": "step", "ref": "inc", "in": at("$.state"), "out": at("$.state")}
    return blueprint(
        "chain", {"kind": "loop", "counter": at("$.turn"), "cond": below, "body": body, "max": steps}
    )


def fanout() -> Blueprint:
    """`double` on every item, each lane giving its result alone."""
    body = {"kind": "step", "ref": "double", "in": at("$.item"), "out": at("$.result")}
    flow = {"kind": "fanout", "items": at("$.items"), "bind": at("$.item"), "body": body, "out": at("$.out")}
    return blueprint("fanout", {**flow, "join": "all", "select": at("$.result")})


START = {"state": {"n": 0}}


@contextlib.asynccontextmanager
async def engine_in(
    kind: str, place: Path, *, seen: Callable[[int], None] | None = None
) -> AsyncIterator[Engine]:
    """An engine on `memory:` or on a new SQLite file (WAL, `synchronous=FULL`), with the agents of the flows.

    `seen` gets the count before each step of a chain, as the agent sees it.
    """
    async with Engine.open(url_of(kind, place)) as engine:

        @engine.agent("inc")
        async def inc(inv: Invocation) -> dict[str, int]:
            n = inv.input["n"]
            if seen is not None:
                seen(n)
            return {"n": n + 1}

        @engine.agent("double")
        async def double(inv: Invocation) -> int:
            return inv.input * 2

        yield engine


def url_of(kind: str, place: Path) -> str:
    return "memory:" if kind == "memory" else f"sqlite:///{place / DATABASE}"


async def recorded(place: Path, run_id: str) -> Counter[str]:
    """How many events of each kind another engine finds in the store while ours is still open."""
    async with Engine.open(url_of("sqlite", place), recover="none") as reader:
        return Counter([event["kind"] async for event in reader.run_events(run_id)])


async def check_durable(place: Path, run_id: str, steps: int) -> None:
    """All of a run's steps, and its end, are committed: an acknowledged result rests on the disk."""
    kinds = await recorded(place, run_id)
    require(kinds["task_pass"] == steps, f"{kinds['task_pass']} steps are recorded as passed, not {steps}")
    require(kinds["run_finished"] == 1, "the end of the run is not recorded")
