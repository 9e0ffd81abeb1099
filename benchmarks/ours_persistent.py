"""What an attempt costs of one Python program that echoes: started for each, and kept for all.

ours_persistent.py spawning|persistent ATTEMPTS AT_ONCE
"""

from __future__ import annotations

import asyncio
import sys
import time

from probe import report, require

from skep import Engine, flow

FINAL = '{"type": "final", "content": {"kind": "inline", "value": 1}}'
ONCE = f"import sys; sys.stdin.read(); print('{FINAL}')"
SERVING = """
import json, sys
for line in sys.stdin:
    event = {"id": json.loads(line)["id"], "type": "final", "content": {"kind": "inline", "value": 1}}
    sys.stdout.write(json.dumps(event) + chr(10))
    sys.stdout.flush()
"""


async def run(how: str, attempts: int, at_once: int) -> None:
    code, more = (
        (ONCE, {"stream_mode": "ndjson_lines"}) if how == "spawning" else (SERVING, {"persistent": True})
    )
    spec = {"program": sys.executable, "args": ["-S", "-c", code], **more}
    if how == "persistent":
        spec["pool"] = {"max": at_once}
    body = flow.step("echo", in_=flow.p.n, out=flow.p.got)
    lanes = flow.fanout(
        flow.p.all, bind=flow.p.n, body=body, out=flow.p.lanes, select=flow.p.got, max_concurrency=at_once
    )
    blueprint = flow.blueprint("echo", lanes, agents={"echo": {"kind": "subprocess", "spec": spec}})
    async with Engine.open("memory:") as engine:
        await (await engine.start(blueprint, {"all": list(range(at_once))})).result()
        start = time.perf_counter()
        handle = await engine.start(blueprint, {"all": list(range(attempts))})
        lanes_done = (await handle.result())["lanes"]
        seconds = time.perf_counter() - start
    require(lanes_done == [1] * attempts, "an attempt has another result")
    report(us_per_attempt=seconds / attempts * 1e6)


asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
