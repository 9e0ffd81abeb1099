"""One fan-out over N items with `select`, `memory` or `sqlite`."""

from __future__ import annotations

import asyncio
import sys
import time

from ours import check_durable, engine_in, fanout
from probe import WARM_UP, folder, report, require


async def run(kind: str, lanes: int) -> None:
    items = list(range(lanes))
    flow = fanout()
    with folder() as place:
        async with engine_in(kind, place) as engine:
            await (await engine.start(flow, {"items": items[:WARM_UP]})).result()
            start = time.perf_counter()
            handle = await engine.start(flow, {"items": items})
            ctx = await handle.result()
            seconds = time.perf_counter() - start
            require(ctx["out"] == [item * 2 for item in items], "the lanes' results differ")
            if kind == "sqlite":
                await check_durable(place, handle.id, lanes)
    report(ms=seconds * 1e3)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
