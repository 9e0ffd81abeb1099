"""From an agent's settings and one attempt to the command that is executed."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from skep.errors import SpawnError

ARGUMENT_BYTES = 128 * 1024 - 1
"""Linux takes no longer argument (MAX_ARG_STRLEN with its NUL)."""

HANDLE_FD = "SKEP_HANDLE_FD"


class Command(Struct, frozen=True):
    """What to execute. `stdin` `None` stands for /dev/null; `cwd` is absolute."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    stdin: bytes | None
    handle: str | None = None
    """Given by a descriptor, whose number is in `SKEP_HANDLE_FD`."""


def checked_argument(text: str, what: str, fix: str = "pass it by stdin") -> str:
    """`text`, which can be an argument.

    Raises:
        SpawnError: an argument cannot carry it; `what` names it.
    """
    size = len(encoded(text, what))
    if "\0" in text:
        raise SpawnError(f"{what} holds a NUL, which no argument can", fix=fix)
    if size > ARGUMENT_BYTES:
        raise SpawnError(f"{what} has {size:,} bytes, an argument at most {ARGUMENT_BYTES:,}", fix=fix)
    return text


def encoded(text: str, what: str = "the prompt") -> bytes:
    """`text` as UTF-8.

    Raises:
        SpawnError: it holds a lone surrogate.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise SpawnError(f"{what} holds a lone surrogate, which UTF-8 cannot carry") from error


class Started(NamedTuple):
    """A running program; the descriptors are our ends of its pipes, which whoever takes it closes."""

    pid: int
    stdin: int | None
    stdout: int
    stderr: int


def start(command: Command) -> Started:
    """Execute, as leader of a session and process group of its own; to be reaped by whoever asked.

    Raises:
        SpawnError: with what stands in the way and what to do about it.
    """
    if command.handle is None:
        return _started(command, command.env)
    # A socket and not a pipe: others of our user could open a pipe by `/proc/PID/fd`, and take what is in it.
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise _explained(error, command) from error
    with ours, theirs:
        ours.sendall(f"{command.handle}\n".encode())
        number = theirs.fileno()
        return _started(command, command.env | {HANDLE_FD: str(number)}, (number,))


def _started(command: Command, env: dict[str, str], descriptors: tuple[int, ...] = ()) -> Started:
    ends: list[int] = []
    try:
        for _ in range(2 if command.stdin is None else 3):
            ends += os.pipe()
        stdout, out, stderr, err, *feed = ends
        program = subprocess.Popen(  # noqa: S603 - what to run is the agent's definition, trusted by its owner
            command.argv,
            stdin=feed[0] if feed else subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=command.cwd,
            env=env,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except BaseException as error:
        for end in ends:
            os.close(end)
        if isinstance(error, (OSError, ValueError)):
            raise _explained(error, command) from error
        raise
    program.returncode = 0  # reaping is not `Popen`'s, so it has nothing to warn of
    for end in (out, err, *feed[:1]):
        os.close(end)
    return Started(program.pid, feed[1] if feed else None, stdout, stderr)


def _explained(error: OSError | ValueError, command: Command) -> SpawnError:
    if not Path(command.cwd).is_dir():
        what = "is not a folder" if Path(command.cwd).exists() else "is not there"
        return SpawnError(f"working directory {command.cwd} {what}", fix="create it, or change cwd")
    program, path = command.argv[0], command.env.get("PATH", os.defpath)
    found = shutil.which(program, os.F_OK, path)
    code = error.errno if isinstance(error, OSError) else None
    if Path(program).is_dir() and os.sep in program:
        return SpawnError(f"{program} is a folder, not a program", fix="name the program in it")
    if code == errno.ENOENT and found is None:
        fix = "install it on the PATH, or give its full path" if os.sep not in program else "check the path"
        return SpawnError(f"program {program!r} was not found", fix=fix)
    if code == errno.ENOENT:
        return SpawnError(f"{found} names an interpreter that is not there", fix="check its first line")
    if code == errno.EACCES:
        return SpawnError(f"{found or program} is not executable", fix=f"chmod +x {found or program}")
    if code == errno.ENOEXEC:
        return SpawnError(
            f"{found or program} is no program for this machine",
            fix="a script needs a first line like #!/bin/sh",
        )
    if code == errno.E2BIG:
        return SpawnError("arguments and environment are too long together", fix="use_stdin: true")
    return SpawnError(f"{program} could not be started: {error}")
