"""What a host leaves on disk of its live attempts, so that another process can end them after it.

    <temporary folder>/skep-<uid>/lock              held by whoever comes, sweeps or looks
                                 /<host>/attempts   a line for each live attempt; locked while its host lives
                                 /<host>/<scratch>  an attempt's folder

The locks are POSIX record locks: they end with their process whatever way it ends, and a fork does not have them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import tempfile
import threading
from collections.abc import Generator

from skep.workers.process.tree.marks import Mark
from skep.workers.process.tree.removal import remove

TABLE = "attempts"
KEPT = 64
"""Empty scratch folders that are used again."""
_AS_MADE = stat.S_IFDIR | 0o700
_LOCK = "lock"
_LINE = 32 + 1 + 16 + 1
_own: set[str] = set()
"""The folders that this process has made, and what forked it."""

_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


def base_folder() -> str:
    """The folder of all hosts of our user on this machine, made if it is missing.

    Raises:
        OSError: it cannot be made, or is not ours alone.
    """
    path = _base_path()
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    state = os.lstat(path)
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise PermissionError(f"{path} is not a folder of ours alone: remove it, or set TMPDIR")
    return path


def any_other_host() -> bool:
    """Whether another host lives on this machine, or has died and was not swept."""
    base = _base_path()
    return os.path.isdir(base) and bool(other_hosts(base))


def _base_path() -> str:
    return os.path.join(tempfile.gettempdir(), f"skep-{os.getuid()}")


@contextlib.contextmanager
def locked(base: str) -> Generator[None]:
    """Nobody else comes or sweeps meanwhile."""
    descriptor = os.open(os.path.join(base, _LOCK), _OPEN | os.O_CREAT, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def other_hosts(base: str) -> list[str]:
    """The folders of the hosts that have come and not been swept, without our own: a look would end its lock."""
    with os.scandir(base) as entries:
        return [
            entry.path for entry in entries if entry.is_dir(follow_symlinks=False) and entry.path not in _own
        ]


def read_if_dead(folder: str) -> list[Mark] | None:
    """The attempts that a dead host had; `None` while it lives."""
    try:
        descriptor = os.open(os.path.join(folder, TABLE), _OPEN)
    except FileNotFoundError:
        return []
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return None
        return _parsed(file.read())


def _parsed(data: bytes) -> list[Mark]:
    marks: list[Mark] = []
    for at in range(0, len(data), _LINE):
        words = data[at : at + _LINE].decode("ascii", "replace").split()
        with contextlib.suppress(ValueError):  # a free line, or one that was being written
            digest, brand = words
            marks.append(Mark(digest, int(brand, 16)))
    return marks


class Records:
    """Our own host's folder and table. Made under `locked`."""

    def __init__(self, base: str) -> None:
        self.folder = os.path.join(base, f"{os.getpid()}-{secrets.token_hex(4)}")
        os.mkdir(self.folder, 0o700)
        _own.add(self.folder)
        self._file = os.open(os.path.join(self.folder, TABLE), _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        self._free: list[int] = []
        self._lines = 0
        self._empty: list[str] = []
        self._changing = threading.Lock()

    def add(self, mark: Mark) -> int:
        """Write an attempt down, before its program starts; the number of its line."""
        with self._changing:
            if self._free:
                line = self._free.pop()
            else:
                line, self._lines = self._lines, self._lines + 1
        try:
            os.pwrite(self._file, b"%s %016x\n" % (mark.digest.encode(), mark.brand), line * _LINE)
        except OSError:
            with self._changing:
                self._free.append(line)
            raise
        return line

    def remove(self, line: int) -> None:
        """Of the attempt on this line nothing is left."""
        os.pwrite(self._file, b" " * (_LINE - 1) + b"\n", line * _LINE)
        with self._changing:
            self._free.append(line)

    def make_scratch(self) -> str:
        """An empty folder: one that was left empty, for on a disk a new one costs as much as a process."""
        while self._empty:
            path = self._empty.pop()
            if _is_as_made(path):
                return path
            # Somebody else has been there: whoever removes the host's folder removes it.
        path = os.path.join(self.folder, secrets.token_hex(6))
        os.mkdir(path, 0o700)
        return path

    def keep_empty(self, path: str) -> bool:
        """Keep a scratch folder that its attempt has left as it was; whether it has."""
        if len(self._empty) >= KEPT or not _is_as_made(path):
            return False
        self._empty.append(path)
        return True

    def close(self) -> None:
        """Take the folder away, if nothing is left in it."""
        for path in self._empty:
            with contextlib.suppress(OSError):
                os.rmdir(path)
        if len(self._free) == self._lines:
            os.unlink(os.path.join(self.folder, TABLE))
            remove(self.folder)
        os.close(self._file)


def _is_as_made(path: str) -> bool:
    """Whether a scratch folder is as `make_scratch` has made it."""
    try:
        if os.lstat(path).st_mode != _AS_MADE:
            return False
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        return False
