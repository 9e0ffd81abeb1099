"""What a line of NDJSON costs from a program (`cat`) into a run, beside bare asyncio: readline, decode, nothing else.

    ours_ndjson.py engine|readline partial|progress LINES [memory|sqlite]

`partial` lines are joined before they are recorded, `progress` lines stand for themselves.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec
from ours import url_of
from probe import folder, report, require

from skep import Engine, flow
from skep.core.outputs import OutputEvent

LINE = {
    "partial": b'{"type":"partial","chunk":"some words of text "}\n',
    "progress": b'{"type":"progress","stage":"reading","note":"file 12"}\n',
}
FINAL = b'{"type":"final","content":{"kind":"inline","value":"done"}}\n'


async def engine(file: Path, kind: str, place: Path) -> float:
    spec = {"program": "cat", "args": [str(file)], "stream_mode": "ndjson_lines"}
    blueprint = flow.blueprint(
        "lines",
        flow.step("cat", in_=None, out=flow.p.out),
        agents={"cat": {"kind": "subprocess", "spec": spec}},
    )
    async with Engine.open(url_of(kind, place)) as opened:
        warm = await opened.start(blueprint, {})
        await warm.result()
        start = time.perf_counter()
        handle = await opened.start(blueprint, {})
        require((await handle.result())["out"] == "done", "the final did not arrive")
        taken = time.perf_counter() - start
        require(opened.stats().get("stream_dropped", 0) == 0, "output was dropped")
        return taken


async def readline(file: Path, lines: int) -> float:
    decoder = msgspec.json.Decoder(OutputEvent)
    start = time.perf_counter()
    child = await asyncio.create_subprocess_exec("cat", str(file), stdout=asyncio.subprocess.PIPE)
    require(child.stdout is not None, "no pipe")
    seen = 0
    while line := await child.stdout.readline():
        decoder.decode(line)
        seen += 1
    await child.wait()
    require(seen == lines + 1, f"{seen} lines were read")
    return time.perf_counter() - start


def main() -> None:
    how, what, lines = sys.argv[1], sys.argv[2], int(sys.argv[3])
    kind = sys.argv[4] if len(sys.argv) > 4 else "memory"
    with folder() as place:
        file = place / "lines"
        file.write_bytes(LINE[what] * lines + FINAL)
        seconds = asyncio.run(engine(file, kind, place) if how == "engine" else readline(file, lines))
    report(us_per_line=seconds / lines * 1e6)


main()
