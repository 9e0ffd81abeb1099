"""How long a fresh process takes from start to end, beside a bare interpreter, alternating; medians in ms.

`{python}` in the command is this interpreter, `{bin}` its folder.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from probe import report, require

BARE = [sys.executable, "-c", "pass"]


def timed(command: list[str]) -> float:
    start = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, check=False)
    seconds = time.perf_counter() - start
    require(ended.returncode == 0, f"{command} ended with {ended.returncode}: {ended.stderr.decode()[-500:]}")
    return seconds * 1e3


def main(count: int, words: list[str]) -> None:
    folder = str(Path(sys.executable).parent)
    command = [word.replace("{python}", sys.executable).replace("{bin}", folder) for word in words]
    timed(command)  # compiles what is not compiled yet
    pairs = [(timed(BARE), timed(command)) for _ in range(count)]
    bare = statistics.median(pair[0] for pair in pairs)
    whole = statistics.median(pair[1] for pair in pairs)
    beyond = statistics.median(pair[1] - pair[0] for pair in pairs)
    report(ms=whole, bare_ms=bare, beyond_ms=beyond)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
