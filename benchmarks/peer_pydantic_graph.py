"""pydantic-graph's side: a chain of `BaseNode` steps (steps joined by a decision were slower)."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass

from probe import WARM_UP, report, require
from pydantic_graph import BaseNode, End, Graph, GraphBuilder, GraphRunContext, StepContext


@dataclass
class Counter:
    n: int
    stop: int


@dataclass
class Inc(BaseNode[Counter, None, int]):
    async def run(self, ctx: GraphRunContext[Counter]) -> Inc | End[int]:
        ctx.state.n += 1
        return Inc() if ctx.state.n < ctx.state.stop else End(ctx.state.n)


def chain() -> Graph[Counter, None, None, int]:
    builder = GraphBuilder(state_type=Counter, output_type=int)

    @builder.step
    async def begin(_ctx: StepContext[Counter, None, None]) -> Inc:
        return Inc()

    builder.add(builder.node(Inc), builder.edge_from(builder.start_node).to(begin))
    return builder.build()


async def run_chain(steps: int) -> None:
    graph = chain()
    await graph.run(state=Counter(0, WARM_UP))
    start = time.perf_counter()
    result = await graph.run(state=Counter(0, steps))
    seconds = time.perf_counter() - start
    require(result == steps, f"the counter is {result}, not {steps}")
    report(us_per_step=seconds / steps * 1e6, steps_per_second=steps / seconds)


if __name__ == "__main__":
    asyncio.run(run_chain(int(sys.argv[1])))
