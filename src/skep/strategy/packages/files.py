"""Files that several processes share: read within a limit, replaced as a whole, changed under a lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

from skep.errors import LimitExceeded, PackageError

MAX_LIST = 4 << 20
"""Bytes of one file that lists packages."""


def read_list(path: Path) -> bytes | None:
    """What is in `path`; None if there is no such file.

    Raises:
        LimitExceeded: it is larger than `MAX_LIST`.
        PackageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PackageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > MAX_LIST:
        raise LimitExceeded("package_list", MAX_LIST, where=str(path))
    return data


def replace(path: Path, data: bytes) -> None:
    """Write `path` so that a reader sees the old or the new, also after a power cut. Raises `PackageError`."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise PackageError(f"cannot be written: {error.strerror}", where=str(path)) from error


def sync_folder(folder: Path) -> None:
    """Make what was renamed in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock file `path` against every other process and thread. Raises `PackageError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise PackageError(f"cannot be locked: {error.strerror}", where=str(path)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def now() -> str:
    """This second in ISO 8601, as the published files have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
