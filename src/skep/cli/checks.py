"""The checks of `skep doctor`; none of them changes anything."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

from skep.config import HOME_VARIABLE, default_store, home_path, open_home
from skep.errors import SkepError
from skep.limits import MIB

FREE_BYTES = 512 * MIB
OPEN_FILES = 1_024
PRIVATE = 0o700
SWITCH_INTERVAL = 0.001
"""Seconds; above it a CPU-bound thread holds back the journal's writer noticeably."""


class Check(Struct, frozen=True):
    """One finding; `fix` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    fix: str | None = None


def machine_checks() -> list[Check]:
    """What can be known without opening a store."""
    return [_python(), _sqlite(), _home(), _disk(), _switch_interval(), _open_files(), *_platform()]


async def store_check(url: str | None) -> Check:
    """Whether the store opens; one that is not there yet is not made."""
    try:
        address = default_store(home_path()) if url is None else url
        if address.startswith("sqlite:") and not _file_of(address).exists():
            return Check("store", ok=True, detail=f"{address} is not there yet; the first run makes it")
        return Check("store", ok=True, detail=f"{address}, {await _runs(address)}")
    except SkepError as error:
        return Check("store", ok=False, detail=error.what, fix=error.fix)


def _file_of(address: str) -> Path:
    return Path(address.removeprefix("sqlite:///").partition("?")[0])


async def _runs(address: str) -> str:
    from skep.cli.store import interrupted_runs, open_engine

    async with open_engine(address) as engine:
        interrupted = await interrupted_runs(engine)
        newest = await engine.list_runs(limit=1)
    if interrupted:
        return f"{len(interrupted)} interrupted (skep resume {interrupted[0].run_id})"
    return "nothing interrupted" if newest else "no runs yet"


def _python() -> Check:
    detail = f"skep {version('skep')} on {platform.python_implementation()} {platform.python_version()}"
    return Check("python", sys.version_info >= (3, 11), detail, "use Python 3.11 or newer")


def _sqlite() -> Check:
    enough = sqlite3.sqlite_version_info >= (3, 34)
    return Check("sqlite", enough, sqlite3.sqlite_version, "use a Python with SQLite 3.34 or newer")


def _home() -> Check:
    try:
        home = home_path()
        if not home.exists():
            return Check("home", ok=True, detail=f"{home} is not there yet; it will be made with mode 0700")
        mode = open_home(home).stat().st_mode & 0o777
    except SkepError as error:
        return Check("home", ok=False, detail=f"{error.where}: {error.what}", fix=error.fix)
    return Check("home", mode == PRIVATE, f"{home} has mode {mode:04o}", f"chmod 700 {home}")


def _disk() -> Check:
    place = home_path()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{free // MIB:,} MiB free at {place}"
    return Check("disk", free >= FREE_BYTES, detail, f"free some space, or set {HOME_VARIABLE}")


def _switch_interval() -> Check:
    seconds = sys.getswitchinterval()
    fix = "call sys.setswitchinterval(0.0005), as the program does"
    return Check("switch interval", seconds <= SWITCH_INTERVAL, f"{seconds * 1000:g} ms", fix)


def _open_files() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= OPEN_FILES
    return Check("open files", enough, f"at most {soft:,} at once", f"ulimit -n {OPEN_FILES}")


def _platform() -> list[Check]:
    utf8 = sys.getfilesystemencoding().startswith("utf")
    return [
        Check("platform", ok=True, detail=f"{platform.system()} {platform.release()} {platform.machine()}"),
        Check("text", utf8, f"file names are {sys.getfilesystemencoding()}", "set LANG=C.UTF-8"),
        _feature("/proc", Path("/proc/self/stat").exists(), "whether a process lives can be told exactly"),
        _feature("pidfd", hasattr(os, "pidfd_open"), "processes can be waited for without races"),
        *_walls(),
    ]


def _walls() -> list[Check]:
    """What stands around untrusted scripts on this machine."""
    from skep.lua.isolation.hardening import hardening

    return [
        Check(
            f"lua {name}",
            ok=True,
            detail=f"here: {wall}" if wall else "not here: untrusted scripts run without",
        )
        for name, wall in hardening().items()
    ]


def _feature(name: str, there: bool, gives: str) -> Check:
    """Something that skep uses where it is and does without where it is not."""
    return Check(
        name, ok=True, detail=f"here: {gives}" if there else f"not here, so it cannot be said: {gives}"
    )
