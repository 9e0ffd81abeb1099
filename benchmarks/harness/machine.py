"""What the numbers were measured on: they mean nothing without it."""

from __future__ import annotations

import asyncio
import os
import platform
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs"}


def facts(peers: Path) -> Sequence[str]:
    """Date, machine, versions, the price of an fsync and of an asyncio task."""
    store = file_system(Path(tempfile.gettempdir()))
    return (
        f"{time.strftime('%Y-%m-%d')}, {processor()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, Linux {release()}, {store}",
        f"4 KiB appended to a file and made durable: {fsync_us():.0f} us",
        f"an asyncio task made and awaited: {task_us():.1f} us",
        f"peers: {', '.join(peer_versions(peers))}",
    )


def release() -> str:
    """The kernel's version without what its builder added."""
    return platform.release().partition("-")[0]


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def file_system(place: Path) -> str:
    """The type of the file system that holds `place`."""
    best = ("/", "unknown")
    for line in Path("/proc/mounts").read_text("utf-8").splitlines():
        _, mount, kind, *_ = line.split()
        if place.resolve().is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def fsync_us(count: int = 200) -> float:
    """The median of appending 4 KiB to a file and waiting for the disk."""
    block, times = b"x" * 4096, []
    with tempfile.TemporaryFile() as file:
        for _ in range(count):
            start = time.perf_counter()
            os.write(file.fileno(), block)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def task_us(count: int = 20_000) -> float:
    """What one `create_task` and its end cost here: the unit in which an engine in asyncio is paid."""

    async def nothing() -> None:
        return None

    async def many() -> float:
        start = time.perf_counter()
        for _ in range(count):
            await asyncio.create_task(nothing())
        return (time.perf_counter() - start) / count

    return asyncio.run(many()) * 1e6


def peer_versions(peers: Path) -> Sequence[str]:
    """Names and versions as installed beside `peers`, of what requirements-peers.txt names."""
    wanted = Path(__file__).resolve().parent.parent / "requirements-peers.txt"
    names = [line.partition("==")[0] for line in wanted.read_text("utf-8").split()]
    code = "import sys, importlib.metadata as m\nfor n in sys.argv[1:]: print(n, m.version(n))"
    ended = subprocess.run([str(peers), "-c", code, *names], capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()
