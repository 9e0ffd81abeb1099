"""A script that changes a home, killed at its n-th step.

Each line read is `STEP HOME`: a child makes the changes and is killed there; the line written is how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import msgspec

from skep.strategy.calls import Call, Calls
from skep.strategy.home import Home

NOW = 1_700_000_000_000
left = 0


def step() -> None:
    global left  # noqa: PLW0603 - the count of this process
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1


def stepwise(owner, name) -> None:
    """It may end before each use of a function of the file system."""
    original = getattr(owner, name)

    def used(*args, **options):
        step()
        return original(*args, **options)

    setattr(owner, name, used)


class FileRecord:
    """One line a call, durable at once; what comes after is not, until the next step."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_bytes().splitlines() if path.exists() else []
        made = map(json.loads, lines)
        self.past = [
            Call(name, digest, msgspec.Raw(json.dumps(reply).encode())) for name, digest, reply in made
        ]

    def add(self, call: Call) -> None:
        step()
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(call) + b"\n")
            file.flush()
        step()

    def once_durable(self, then) -> None:
        then()


def change(home: Path) -> None:
    for owner, name in ((Path, "replace"), (Path, "rename"), (Path, "unlink")):
        stepwise(owner, name)
    os.fsync = lambda _: step()  # a killed process loses nothing that it wrote
    record = FileRecord(home / "record")
    calls = Home(home).primitives(Calls(record), "script", "default", partial(int, NOW))
    counts = [calls["state.incr"]("n"), calls["state.incr"]("n", 10)]
    card = calls["card.create"]({"pkg": {"name": "p"}})["card_id"]
    calls["card.write_samples"](card, [1, 2])
    calls["card.append"](card, {"note": "x"})
    (home / "result").write_text(json.dumps([counts, card]))


def main() -> None:
    global left  # noqa: PLW0603 - the count of this process
    for line in sys.stdin:
        step_number, home = line.rstrip("\n").split(" ", 1)
        child = os.fork()
        if child == 0:
            left = int(step_number)
            change(Path(home))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201 - the reply


main()
