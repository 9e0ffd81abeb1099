from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from terminals import Terminal

PATIENCE = 60


class Program:
    """Runs the real program: a home of its own, a folder of its own, a PATH without the venv."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        self.folder.mkdir()
        self.temporary.mkdir()
        self.env = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": "/usr/bin:/bin",
            "SKEP_HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONWARNINGS": "error",
        }
        self.children: list[subprocess.Popen[str]] = []

    def __call__(self, *words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "skep", *words]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            cwd=self.folder,
            env={**self.env, **env},
            timeout=PATIENCE,
            check=False,
        )

    def json(self, *words: str, stdin: str = "") -> Any:
        """The one JSON object that a command prints."""
        done = self(*words, "--json", stdin=stdin)
        lines = done.stdout.splitlines()
        assert len(lines) == 1, (done.stdout, done.stderr)
        return json.loads(lines[0])

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-m", "skep", *words],
            cwd=self.folder,
            env=self.env,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )
        self.children.append(child)
        return child

    def write(self, name: str, text: str) -> str:
        """A file in the folder; returns its name."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def wait_for(self, name: str) -> None:
        """Wait until a worker has made a file."""
        deadline = time.monotonic() + PATIENCE
        while not (self.folder / name).exists():
            assert time.monotonic() < deadline, f"{name} never appeared"
            time.sleep(0.02)

    def ended(self, pid: int) -> bool:
        """Whether a process has ended; one that nobody has waited for yet, has."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text(encoding="utf-8").splitlines()

    def runs(self) -> int:
        """How many runs the home's store holds, read behind the program's back."""
        store = self.home / "skep.db"
        if not store.exists():
            return 0
        with closing(sqlite3.connect(store)) as connection:
            return connection.execute("SELECT count(*) FROM runs").fetchone()[0]

    def end(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.communicate()


WORKERS = '''
import asyncio
import os
import pathlib
import sys
import time


def double(n: int) -> int:
    return n * 2


def fail(n: int) -> int:
    raise ValueError("no luck \\x1b[31mred")


async def hang(n: int) -> int:
    pathlib.Path("hanging").write_text(str(os.getpid()))
    await asyncio.sleep(3600)


async def hang_once(n: int) -> int:
    if not os.path.exists("go"):
        await hang(n)
    return n


def until_go(n: int) -> int:
    pathlib.Path("hanging").write_text(str(os.getpid()))
    while not os.path.exists("go"):
        time.sleep(0.02)
    return n


def hang_in_thread(n: int) -> int:
    pathlib.Path("hanging").write_text(str(os.getpid()))
    time.sleep(3600)


def leave(n: int) -> int:
    sys.exit("the worker wanted to leave")


def once(n: int) -> int:
    """Leaves a line; stands still at 3 until the file `go` is there."""
    with open("effects", "a") as effects:
        effects.write(f"{n}\\n")
    if n == 3 and not os.path.exists("go"):
        pathlib.Path("hanging").write_text("")
        time.sleep(3600)
    return n


def odd(n: int) -> object:
    return [float("nan"), {1}, {1: 2}, "\\ud800", "x" * 20_000_000, "x" * 200_000_000][n]
'''


def chain(agent: str, out: str = "$.n") -> str:
    """A Blueprint of one step of `agent`."""
    return f"id: chain\nagents: {{a: workers:{agent}}}\nflow:\n  - {{step: a, in: {{n: $.n}}, out: {out}}}\n"


@pytest.fixture
def skep(tmp_path):
    program = Program(tmp_path)
    program.write("workers.py", WORKERS)
    for agent in ("double", "fail", "hang", "hang_in_thread", "leave", "odd"):
        program.write(f"{agent}.yaml", chain(agent))
    program.write(
        "wide.yaml",
        "id: wide\nagents: {a: workers:double}\nflow:\n"
        "  fanout:\n    items: $.items\n    bind: $.n\n    body: {step: a, in: {n: $.n}, out: $.n}\n"
        "    select: $.n\n    out: $.n\n",
    )
    program.write(
        "once.yaml",
        "id: once\nagents: {a: workers:once}\nflow:\n"
        "  - fanout:\n      id: lanes\n      items: $.items\n      bind: $.n\n      max_concurrency: 1\n"
        "      body: {step: a, in: {n: $.n}, out: $.done}\n      select: $.done\n      out: $.done\n",
    )
    yield program
    program.end()


@pytest.fixture
def terminal(skep):
    """Starts the program on terminals, and ends it there."""
    opened: list[Terminal] = []

    def start(*words: str, **env: str) -> Terminal:
        opened.append(Terminal(skep, *words, **env))
        return opened[-1]

    yield start
    for one in opened:
        one.kill()
