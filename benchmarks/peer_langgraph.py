"""LangGraph's side of the probes, written the way its documentation writes it.

The graph is one node that goes to itself with `Command`, the fastest of its forms for a chain (a cycle with a
conditional edge and a line of N nodes were slower). Its state is one small integer. There are two ways
to run it: `async` (`ainvoke`, async nodes, `AsyncSqliteSaver`) and `sync` (`invoke`, plain functions,
`SqliteSaver`); the table takes the faster one. SQLite is in WAL with `synchronous=FULL`, as ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import operator
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypedDict

import aiosqlite
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send
from probe import WARM_UP, committed, folder, report, require, size_on_disk

DATABASE = "langgraph.db"
FULL = 2


class Counter(TypedDict):
    n: int
    stop: int


class Lanes(TypedDict):
    items: list[int]
    out: Annotated[list[int], operator.add]


class Lane(TypedDict):
    item: int


class Chat(TypedDict):
    messages: Annotated[list[str], operator.add]


def extend(state: list[str], writes: Any) -> list[str]:
    return state + [message for write in writes for message in write]


class DeltaChat(TypedDict):
    messages: Annotated[list[str], DeltaChannel(extend)]


def chain(way: str) -> StateGraph:
    def step(state: Counter) -> Command:
        n = state["n"] + 1
        return Command(update={"n": n}, goto="inc" if n < state["stop"] else END)

    async def step_async(state: Counter) -> Command:
        return step(state)

    graph = StateGraph(Counter)
    graph.add_node("inc", step if way == "sync" else step_async, destinations=("inc", END))
    graph.add_edge(START, "inc")
    return graph


def fanout(way: str) -> StateGraph:
    def double(lane: Lane) -> dict[str, list[int]]:
        return {"out": [lane["item"] * 2]}

    async def double_async(lane: Lane) -> dict[str, list[int]]:
        return double(lane)

    def spread(state: Lanes) -> list[Send]:
        return [Send("double", {"item": item}) for item in state["items"]]

    async def spread_async(state: Lanes) -> list[Send]:
        return spread(state)

    graph = StateGraph(Lanes)
    graph.add_node("double", double if way == "sync" else double_async)
    graph.add_conditional_edges(START, spread if way == "sync" else spread_async, ["double"])
    graph.add_edge("double", END)
    return graph


def config(thread: str, steps: int) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}, "recursion_limit": steps + 10}


@contextlib.asynccontextmanager
async def async_saver(kind: str, place: Path) -> AsyncIterator[Any]:
    if kind != "sqlite":
        yield InMemorySaver() if kind == "saver" else None
        return
    async with aiosqlite.connect(place / DATABASE) as connection:
        saver = AsyncSqliteSaver(connection)
        await saver.setup()
        await connection.execute("PRAGMA synchronous=FULL")
        async with connection.execute("PRAGMA synchronous") as cursor:
            require(await cursor.fetchone() == (FULL,), "synchronous is not FULL")
        yield saver


@contextlib.contextmanager
def sync_saver(kind: str, place: Path) -> Iterator[Any]:
    if kind != "sqlite":
        yield InMemorySaver() if kind == "saver" else None
        return
    with contextlib.closing(sqlite3.connect(place / DATABASE, check_same_thread=False)) as connection:
        saver = SqliteSaver(connection)
        saver.setup()
        connection.execute("PRAGMA synchronous=FULL")
        require(connection.execute("PRAGMA synchronous").fetchone() == (FULL,), "synchronous is not FULL")
        yield saver


async def run_chain(way: str, kind: str, durability: str, steps: int) -> None:
    """`steps` visits of one node, one after the other."""
    options = {} if kind == "none" else {"durability": durability}
    with folder() as place:
        if way == "sync":
            with sync_saver(kind, place) as saver:
                graph = chain(way).compile(checkpointer=saver)
                graph.invoke({"n": 0, "stop": WARM_UP}, config("warm", WARM_UP), **options)
                start = time.perf_counter()
                state = graph.invoke({"n": 0, "stop": steps}, config("timed", steps), **options)
                seconds = time.perf_counter() - start
                check_chain(state, kind, place, steps)
        else:
            async with async_saver(kind, place) as saver:
                graph = chain(way).compile(checkpointer=saver)
                await graph.ainvoke({"n": 0, "stop": WARM_UP}, config("warm", WARM_UP), **options)
                start = time.perf_counter()
                state = await graph.ainvoke({"n": 0, "stop": steps}, config("timed", steps), **options)
                seconds = time.perf_counter() - start
                check_chain(state, kind, place, steps)
    report(us_per_step=seconds / steps * 1e6, steps_per_second=steps / seconds)


def check_chain(state: Any, kind: str, place: Path, steps: int) -> None:
    require(state["n"] == steps, f"the counter is {state['n']}, not {steps}")
    if kind == "sqlite":
        rows = committed(place / DATABASE, "SELECT count(*) FROM checkpoints WHERE thread_id = 'timed'")
        require(rows >= steps, f"{rows} checkpoints for {steps} steps")


async def run_fanout(way: str, kind: str, lanes: int) -> None:
    """One `Send` for each item, results gathered by a reducer."""
    items = list(range(lanes))
    with folder() as place:
        if way == "sync":
            with sync_saver(kind, place) as saver:
                graph = fanout(way).compile(checkpointer=saver)
                graph.invoke({"items": items[:WARM_UP], "out": []}, config("warm", 1))
                start = time.perf_counter()
                state = graph.invoke({"items": items, "out": []}, config("timed", 1))
                seconds = time.perf_counter() - start
        else:
            async with async_saver(kind, place) as saver:
                graph = fanout(way).compile(checkpointer=saver)
                await graph.ainvoke({"items": items[:WARM_UP], "out": []}, config("warm", 1))
                start = time.perf_counter()
                state = await graph.ainvoke({"items": items, "out": []}, config("timed", 1))
                seconds = time.perf_counter() - start
        if kind == "sqlite":
            rows = committed(
                place / DATABASE, "SELECT count(DISTINCT task_id) FROM writes WHERE thread_id = 'timed'"
            )
            require(rows >= lanes, f"writes of {rows} tasks for {lanes} lanes")
    require(state["out"] == [item * 2 for item in items], "the lanes' results differ")
    report(ms=seconds * 1e3)


async def run_many(way: str, runs: int, steps: int) -> None:
    """`runs` threads of the graph at once, each `steps` long, `durability="sync"`."""
    with folder() as place:
        if way == "sync":
            with sync_saver("sqlite", place) as saver, ThreadPoolExecutor(runs) as pool:
                graph = chain(way).compile(checkpointer=saver)

                def one(number: int) -> Any:
                    return graph.invoke(
                        {"n": 0, "stop": steps}, config(str(number), steps), durability="sync"
                    )

                start = time.perf_counter()
                states = list(pool.map(one, range(runs)))
                seconds = time.perf_counter() - start
        else:
            async with async_saver("sqlite", place) as saver:
                graph = chain(way).compile(checkpointer=saver)
                calls: list[Awaitable[Any]] = [
                    graph.ainvoke({"n": 0, "stop": steps}, config(str(number), steps), durability="sync")
                    for number in range(runs)
                ]
                start = time.perf_counter()
                states = await asyncio.gather(*calls)
                seconds = time.perf_counter() - start
        rows = committed(place / DATABASE, "SELECT count(*) FROM checkpoints")
    require(all(state["n"] == steps for state in states), "a counter is wrong")
    require(rows >= runs * steps, f"{rows} checkpoints for {runs * steps} steps")
    report(us_per_step=seconds / (runs * steps) * 1e6, steps_per_second=runs * steps / seconds)


async def run_disk(channel: str, turns: int, size: int) -> None:
    """`turns` turns of one chat; the node sees all messages and adds one of `size` characters."""
    schema = DeltaChat if channel == "delta" else Chat

    async def reply(state: Any) -> Command:
        done = len(state["messages"]) + 1
        return Command(
            update={"messages": [f"{done:08d}" * (size // 8)]}, goto="turn" if done < turns else END
        )

    with folder() as place:
        async with async_saver("sqlite", place) as saver:
            graph = StateGraph(schema)
            graph.add_node("turn", reply, destinations=("turn", END))
            graph.add_edge(START, "turn")
            state = await graph.compile(checkpointer=saver).ainvoke({"messages": []}, config("chat", turns))
        require(len(state["messages"]) == turns, "a message is missing")
        require(all(len(message) == size for message in state["messages"]), "a message is short")
        report(mb=size_on_disk(place) / 1e6)


PROBES: dict[str, Callable[..., Awaitable[None]]] = {
    "chain": run_chain,
    "fanout": run_fanout,
    "many": run_many,
    "disk": run_disk,
}


if __name__ == "__main__":
    words = [int(word) if word.isdigit() else word for word in sys.argv[2:]]
    asyncio.run(PROBES[sys.argv[1]](*words))
