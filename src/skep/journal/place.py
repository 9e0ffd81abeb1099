"""The file of a store: made, private to its user, or refused with the remedy."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

from skep.errors import ConfigError, StoreCorrupt

_SMALLEST_PAGE = 512
_WRITABLE = "the file and its directory must be writable by you"

# A new file is closed before another thread may open it: see `_check_file`.
_making = threading.Lock()


def prepare(path: Path) -> None:
    """Make the file (0600) and its directories (0700) where they are missing.

    Raises:
        ConfigError: the place cannot be used.
        StoreCorrupt: something else is in the file.
    """
    try:
        if path.is_dir():
            raise ConfigError("this is a directory, not a file", where=str(path), fix=f"write {path}/skep.db")
        make_directories(path.parent)
        _make_file(path)
    except OSError as error:
        raise ConfigError(
            f"the store cannot be used: {error.strerror}", where=str(path), fix=_WRITABLE
        ) from error
    if not os.access(path.parent, os.W_OK):
        raise ConfigError("the directory of the store is read-only", where=str(path.parent), fix=_WRITABLE)


def make_directories(path: Path) -> None:
    """Make a directory and those above it, as far as they are missing, private to the user."""
    if path.is_dir():
        return
    make_directories(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_file(path: Path) -> None:
    with _making:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            _check_file(path)
        else:
            sync_directory(path.parent)


def _check_file(path: Path) -> None:
    """Look at a file without opening it: to close it would end the locks of our own SQLite connections."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError("this is not a regular file", where=str(path), fix="choose another path")
    # SQLite would take so small a file for an empty one and overwrite it.
    if 0 < found.st_size < _SMALLEST_PAGE:
        raise StoreCorrupt("not a store of skep", where=str(path), fix="choose another file")
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigError("the store is read-only", where=str(path), fix=_WRITABLE)
