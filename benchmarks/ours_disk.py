"""A chat of N turns, each a step that sees all messages and adds one; then the bytes on disk."""

from __future__ import annotations

import asyncio
import sys

from ours import at, blueprint, check_durable, engine_in
from probe import folder, report, require, size_on_disk

from skep import Blueprint, Invocation


def chat(turns: int) -> Blueprint:
    reply = {"kind": "step", "ref": "reply", "in": at("$.messages"), "out": at("$.reply")}
    longer = {"op": "concat", "args": [at("$.messages"), {"op": "array", "args": [at("$.reply")]}]}
    body = {"kind": "seq", "children": [reply, {"kind": "let", "at": at("$.messages"), "value": longer}]}
    always = {"op": "lit", "value": True}
    return blueprint(
        "chat", {"kind": "loop", "counter": at("$.turn"), "cond": always, "body": body, "max": turns}
    )


async def run(turns: int, size: int) -> None:
    with folder() as place:
        async with engine_in("sqlite", place) as engine:

            @engine.agent("reply")
            async def reply(inv: Invocation) -> str:
                return f"{len(inv.input) + 1:08d}" * (size // 8)

            handle = await engine.start(chat(turns), {"messages": []})
            messages = (await handle.result())["messages"]
            require(len(messages) == turns, f"{len(messages)} messages, not {turns}")
            require(all(len(message) == size for message in messages), "a message is short")
            await check_durable(place, handle.id, turns)
        report(mb=size_on_disk(place) / 1e6)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))
