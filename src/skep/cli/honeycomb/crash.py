"""The story of `skep demo`: a host is killed in the middle, another goes on, and side effects are counted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from msgspec import Struct

from skep.cli import exits
from skep.cli.honeycomb.bees import EFFECTS, SLOW
from skep.cli.text import plural

if TYPE_CHECKING:
    from skep.engine.engine import Engine

HONEYCOMB = Path(__file__).parent / "blueprint.yaml"
PATIENCE = 30.0
"""Seconds until a host that does not get that far is given up."""
TOLD = 2.0
"""Seconds for a host that may have got the Ctrl-C too, until it is asked to end."""
GRACE = 5.0
"""Seconds for a host that was asked to end, until it is killed."""
SLOW_STEP = f"cells[{SLOW}]/fill"
_SHOW_CURSOR = "\x1b[?25h"


class Terminated(KeyboardInterrupt):
    """A signal to this process alone: its hosts do not know of it."""


class _Crash(Struct, frozen=True):
    """The run as its store tells it right after the kill."""

    run_id: str
    ended: frozenset[str]
    in_flight: frozenset[str]


def perform(folder: Path) -> int:
    """Run, kill, resume, count; returns the exit code."""
    typer.echo("Three bees at a time fill twelve cells. Every step leaves a line in a file.\n")
    host = _skep("run", str(HONEYCOMB), "--work-dir", str(folder))
    try:
        crash = asyncio.run(_kill_in_the_middle(host, folder))
    finally:
        _end(host)
    if crash is None:
        typer.echo("skep: the run did not get to where it should be killed", err=True)
        return exits.FAILED
    typer.echo(
        f"\n\nkill -9 {host.pid}: the host is gone. {plural(len(crash.ended), 'step')} had ended, "
        f"{len(crash.in_flight)} were in flight.\n\n$ skep resume {crash.run_id}\n"
    )
    resumed = _skep("resume", crash.run_id)
    try:
        code = resumed.wait()
    finally:
        _end(resumed)
    return _verdict(crash, folder) if code == exits.DONE else code


def _skep(*words: str) -> subprocess.Popen[bytes]:
    sys.stdout.flush()
    return subprocess.Popen([sys.executable, "-m", "skep", *words])  # noqa: S603 - this very program


def _end(host: subprocess.Popen[bytes]) -> None:
    """Leave no host behind; a further signal meanwhile makes it shorter."""
    # A terminal tells Ctrl-C the host as well, and a second signal would stop it hard.
    patience = TOLD if sys.exc_info()[0] is KeyboardInterrupt else 0.0
    for stop in (host.terminate, host.kill):
        try:
            host.wait(timeout=patience)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            stop()
            patience = GRACE
    host.wait()
    if sys.stdout.isatty():
        sys.stdout.write(_SHOW_CURSOR)


async def _kill_in_the_middle(host: subprocess.Popen[bytes], folder: Path) -> _Crash | None:
    """Wait until the slow step is in flight, then kill; `None` if it never is."""
    from skep.cli.store import open_engine

    deadline = time.monotonic() + PATIENCE
    async with open_engine(None) as engine:
        while host.poll() is None and time.monotonic() < deadline:
            seen = await _seen(engine, folder)
            if seen is not None and SLOW_STEP in seen.in_flight:
                os.kill(host.pid, signal.SIGKILL)
                host.wait()
                return await _seen(engine, folder)
            await asyncio.sleep(0.05)
    return None


async def _seen(engine: Engine, folder: Path) -> _Crash | None:
    """What is durable of the run that works in `folder`."""
    mine = [info for info in await engine.list_runs(limit=20) if info.work_dir == str(folder)]
    if not mine:
        return None
    events = [event async for event in engine.run_events(mine[0].run_id)]
    keys = {event["task_id"]: event["step_key"] for event in events if event["kind"] == "task_created"}
    ended = _keys_of("task_pass", events, keys)
    started = _keys_of("task_attempt_started", events, keys)
    return _Crash(mine[0].run_id, ended, started - ended)


def _keys_of(kind: str, events: Sequence[dict[str, Any]], keys: dict[str, str]) -> frozenset[str]:
    return frozenset(keys[event["task_id"]] for event in events if event["kind"] == kind)


def _verdict(crash: _Crash, folder: Path) -> int:
    """Count the side effects: what had ended has exactly one."""
    effects = Counter((folder / EFFECTS).read_text(encoding="utf-8").split())
    again = sorted(key for key in crash.ended if effects[key] != 1)
    typer.echo(f"\n{len(crash.ended)} steps had ended before the kill; of these ran again: {len(again)}")
    typer.echo(f"{plural(len(crash.in_flight), 'step')} in flight ran again as the next attempt")
    for key in again:
        typer.echo(f"  {key} left {plural(effects[key], 'line')}", err=True)
    return exits.FAILED if again else exits.DONE
