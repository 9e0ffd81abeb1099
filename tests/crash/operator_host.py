"""A host that offers work, claims and completes it, and kills itself with SIGKILL at its n-th append or durable commit.

`python operator_host.py STORE append|durable N`; what it was told is done is a line on stdout.
"""

from __future__ import annotations

import asyncio
import sys

from victim import arm

from skep import Engine
from skep.flow.blueprint import parse_blueprint

DOCUMENT = parse_blueprint(
    {
        "id": "judged",
        "agents": [{"name": "judge", "kind": "operator", "spec": {"operator_ref": "red"}}],
        "operators": [{"name": "red"}],
        "flow": {
            "kind": "step",
            "ref": "judge",
            "in": {"op": "lit", "value": "hello"},
            "out": {"op": "path", "at": "$.out"},
        },
    }
)


def say(*words):
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def main(store, where, number):
    async with Engine.open(store, recover="none") as engine:
        arm(engine, where, int(number))
        handle = await engine.start(DOCUMENT)
        while not (items := await engine.list_work()):
            await asyncio.sleep(0)
        claimed = await engine.claim(None, items[0].key)
        say("claimed", claimed.key, claimed.handle)
        await engine.renew(claimed.handle, claimed.key, claimed.generation)
        await engine.complete(claimed.handle, claimed.key, "first")
        say("completed")
        await handle.result()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
