"""Programs whose children try to get away from an attempt, and a host of its own to run them in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

STAYING = """
import os, signal, sys, time

def stay(path, *, deaf=False):
    "Write our pid into `path` and live on."
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(path + ".new", "w") as file:
        file.write(f"{os.getpid()}\\n")
    os.rename(path + ".new", path)
    time.sleep(120)
    os._exit(0)

def silent():
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)

def bare(path, env={}):
    "The same, with nothing else in the environment."
    code = (
        "import os, sys, time; f = open(sys.argv[1] + '.new', 'w'); f.write(str(os.getpid()) + chr(10)); "
        "f.close(); os.rename(sys.argv[1] + '.new', sys.argv[1]); time.sleep(120)"
    )
    os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", code, path], env)

def daemon():
    "Whether we are the process that a double fork leaves."
    if os.fork():
        os.wait()
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    silent()
    return True
"""

ESCAPES = {
    "setsid": "if not os.fork(): os.setsid(); silent(); stay(PATH)",
    "ignores SIGTERM": "if not os.fork(): os.setsid(); silent(); stay(PATH, deaf=True)",
    "holds the pipe": "if not os.fork(): os.setsid(); stay(PATH)",
    "double fork": "if daemon(): stay(PATH)",
    "cleared environment": "if not os.fork(): os.setsid(); silent(); bare(PATH)",
    "daemon without environment": "if daemon(): bare(PATH)",
    "another run's marker": "if daemon(): bare(PATH, {'SKEP_MARKER': 'f' * 32})",
}


def escaping(way, path, then="print('[1]')"):
    """A program that lets a child get away, waits until that has written its pid into `path`, and then does `then`."""
    wait = "while not os.path.exists(PATH): time.sleep(0.005)"
    return "\n".join((STAYING, f"PATH = {str(path)!r}", ESCAPES[way], wait, then))


def alive(pid):
    """Whether the process runs; a zombie has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid, seconds=10.0):
    """Whether it ends within the time."""
    return until(lambda: not alive(pid), seconds)


def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def pid_in(path):
    assert until(path.exists), path
    return int(path.read_text())


HOST = """
import asyncio, json, os, resource, subprocess, sys, time
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.process.spawner import ProcessSpawner
from skep.workers.process.tree import procfs
from skep.workers.process.tree.registry import adopt_orphans, registry

async def begin(code, **fields):
    attempt = FakeAttempt()
    ctx = make_ctx("", channel=attempt, **fields)
    return ctx, attempt, await ProcessSpawner(sys.executable, ["-c", code]).spawn(ctx)

async def perform(code, **fields):
    ctx, attempt, worker = await begin(code, **fields)
    await worker.join()
    return attempt.finals

def own_children():
    return [pid for pid in procfs.children(os.getpid()) if pid != registry().guardian]
"""


def host(code, tmp_path, *args, **options):
    """Start a program that is a host of its own, with temporary files of its own; its main is `code`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SKEP_")}
    return subprocess.Popen(
        [sys.executable, "-c", HOST + code, *map(str, args)],
        env={**env, "TMPDIR": str(tmp_path), **options.pop("env", {})},
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def told(process, seconds=60):
    """What a host printed, once it has ended well."""
    out, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, out
    return out
