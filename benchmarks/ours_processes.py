"""`/bin/true` as the worker of every lane of a fan-out, 32 at once, on SQLite: the whole way, tree and all."""

from __future__ import annotations

import asyncio
import sys
import time

from ours import at, url_of
from probe import WARM_UP, folder, report, require

from skep import Blueprint, Engine, parse_blueprint

AT_ONCE = 32


def programs() -> Blueprint:
    body = {"kind": "step", "ref": "true", "in": at("$.item"), "out": at("$.result")}
    flow = {"kind": "fanout", "items": at("$.items"), "bind": at("$.item"), "body": body, "out": at("$.out")}
    agent = {"name": "true", "kind": "subprocess", "spec": {"program": "/bin/true"}}
    flow |= {"join": "all", "select": at("$.result.raw"), "max_concurrency": AT_ONCE}
    return parse_blueprint({"id": "programs", "agents": [agent], "flow": flow})


async def run(mode: str, count: int) -> None:
    with folder() as place:
        async with Engine.open(url_of("sqlite", place), subreaper=mode == "subreaper") as engine:
            flow = programs()
            await (await engine.start(flow, {"items": list(range(WARM_UP))})).result()
            start = time.perf_counter()
            found = await (await engine.start(flow, {"items": list(range(count))})).result()
            seconds = time.perf_counter() - start
            require(found["out"] == [""] * count, "a program did not end well")
    report(us_per_process=seconds / count * 1e6, processes_per_second=count / seconds)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
