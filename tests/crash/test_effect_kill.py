from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from skep.strategy.effects import EffectLog
from skep.strategy.state import State

WRITER = Path(__file__).parent / "effect_writer.py"
NEVER = 10_000


class Writer:
    """One process that forks for each attempt."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WRITER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def attempt(self, home: Path, step: int) -> int:
        self._process.stdin.write(f"{step} {home}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(60) == 0


def left(home: Path, folder: str) -> list[Path]:
    return list((home / "effects" / folder).glob("*"))


def check(writer: Writer, home: Path, step: int) -> bool:
    """Kill at a step, let another process change the same file, come back; whether there was such a step."""
    home.mkdir()
    killed = writer.attempt(home, step) == -signal.SIGKILL
    before = State(home, "default").get("n")["value"] or 0.0
    pending = len(left(home, "pending"))
    other = EffectLog(home).change("state-default", lambda: State(home, "default").incr("n", 100))
    assert before + 100 <= other <= before + 110
    assert pending or other == before + 100
    assert writer.attempt(home, NEVER) == 0
    counts, card = json.loads((home / "result").read_text())
    assert State(home, "default").get("n")["value"] == 111
    assert counts[0] in (1, 101)
    assert counts[1] in (11, 111)
    assert [path.stem for path in (home / "cards" / "p").glob("*.toml")] == [card]
    assert (home / "cards" / "p" / f"{card}.samples.jsonl").read_text() == "1\n2\n"
    assert 'note = "x"' in (home / "cards" / "p" / f"{card}.toml").read_text()
    assert list(home.rglob("*.tmp")) == []
    assert left(home, "pending") == left(home, "done") == []
    return killed


def test_a_change_is_made_once_wherever_it_is_killed(tmp_path):
    step, writer = 0, Writer()
    while check(writer, tmp_path / str(step), step):
        step += 1
    writer.close()
    assert step > 30
