"""Starting a script's process: `python -I -S`, an empty environment, `/` as its folder and two descriptors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

BOOT = (
    "import sys; sys.path.extend(sys.argv[3:]); "
    "from importlib import import_module; getattr(import_module(sys.argv[1]), sys.argv[2])()"
)
_lifelines: set[int] = set()
_PACKAGE = Path(__file__).resolve().parents[3]


class Program(Struct, frozen=True):
    """What runs in the process: a function of a module, and where that and what it imports are found."""

    module: str
    function: str
    paths: tuple[str, ...]


def scripts() -> Program:
    """The program that runs Lua."""
    import lupa  # noqa: PLC0415 - found here for the process; this one may never need it
    import msgspec  # noqa: PLC0415

    folders = [_PACKAGE, *(Path(str(found.__file__)).resolve().parents[1] for found in (lupa, msgspec))]
    return Program("skep.lua.isolation.inside", "main", tuple(dict.fromkeys(map(str, folders))))


class Started(Struct, frozen=True):
    """A process that has just been started, and our ends of what ties it to us."""

    pid: int
    socket: socket.socket
    lifeline: int
    """Open as long as it may live; never written to."""


def start(program: Program) -> Started:
    """Start it, in a session of its own: descriptor 0 is its socket, 1 its lifeline, 2 leads nowhere.

    Raises:
        OSError: it cannot be started.
    """
    ours, theirs = socket.socketpair()
    try:
        read_end, lifeline = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-I", "-S", "-c", BOOT, program.module, program.function, *program.paths],
                stdin=theirs.fileno(),
                stdout=read_end,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )
        except BaseException:
            os.close(lifeline)
            raise
        finally:
            os.close(read_end)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    _lifelines.add(lifeline)
    process.returncode = 0  # reaping is ours, so `Popen` has nothing to warn of
    return Started(process.pid, ours, lifeline)


def cut(lifeline: int) -> None:
    """Let go of a lifeline: its process dies."""
    _lifelines.discard(lifeline)
    os.close(lifeline)


def _let_go() -> None:
    """In a fork of this process, which would else keep the processes alive after it."""
    for lifeline in _lifelines:
        os.close(lifeline)
    _lifelines.clear()


os.register_at_fork(after_in_child=_let_go)
